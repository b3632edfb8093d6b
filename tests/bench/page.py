"""tests/bench/run --page FILE: docs/performance.md and its pictures from what earlier runs wrote with --json."""
import json
import os

# The ratio wanted in each kind of work: (table, ours, peers, how many times as fast as the best of them).
WANTED = [
    ("load.related", ("bascule",), ("pgcopydb",), 1.25),
    ("load.pgbench", ("bascule",), ("pgcopydb",), 1.2),
    ("load.pgbench", ("bascule",), ("pg_dump -Fc",), 1.3),
    ("stream.tpcb", ("bascule",), ("native",), 8),
    ("stream.mixed", ("bascule",), ("native",), 2),
    ("stream.bigtx", ("bascule",), ("native",), 1.3),
    ("stream.inserts", ("bascule, pgoutput",), ("native",), 1.0),
    ("stream.inserts", ("bascule, wal2json",), ("limit: wal2json",), 0.9),
    ("stream.tpcb", ("bascule, pgoutput",), ("limit: pgoutput",), 0.6),
    ("stream.mixed", ("bascule, pgoutput",), ("limit: pgoutput",), 0.6),
    ("stream.bigtx", ("bascule, pgoutput",), ("limit: pgoutput",), 0.6),
    ("latency.p50_ms", ("bascule",), ("native",), 0.5),
    ("latency.p99_ms", ("bascule",), ("native",), 0.5),
    ("verify.pgbench", ("bascule",), ("in the database: hashtextextended",), 1 / 1.3),
    ("verify.related", ("bascule",), ("in the database: hashtextextended",), 1 / 1.3),
    ("verify.pgbench", ("bascule",), ("in the database: hashtext (",), 1.0),
    ("verify.related", ("bascule",), ("in the database: hashtext (",), 1.0),
]
FOLDER = "performance"
HEAD = """\
# Performance, measured

This page and its pictures are printed by `tests/bench/run --page docs/performance/*.json` from what `tests/bench/run --json FILE PART...`
wrote there; nothing in it is typed by hand. Every run measures bascule and its peers in turn on the same two servers, begins with another one each time,
has a checkpoint before each, and checks afterwards that each delivered every row. The figure is the median. Absolute figures belong to the machine;
compare within one table.
"""


def _best(table, prefixes):
    """The competitor with the smallest median among those whose name begins so, with that median."""
    found = [(c["median"], name) for name, c in table["competitors"].items()
             if c["median"] and name.startswith(tuple(prefixes))]
    return min(found) if found else None


def _cell(value, form):
    return format(value, form) if value is not None else "–"


def _median(competitor, figure):
    values = sorted(v for v in ((run.get(figure)) for run in competitor["runs"]) if v is not None)
    middle = len(values) // 2
    return (values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2) if values else None


def _table(table):
    rate = f"{table['unit']}/s" if table["amount"] else None
    lines = [f"\n## {table['title'][0].upper()}{table['title'][1:]}", f"![{table['name']}]({FOLDER}/{table['name']}.svg)\n",
             f"| | {table['figure']} |" + (f" {rate} |" if rate else "") + " × ours | CPU source, s | CPU target, s | CPU tool, s | peak MB |",
             "|---|" + "---:|" * (7 if rate else 6)]
    for name, c in sorted(table["competitors"].items(), key=lambda pair: pair[1]["median"] or 0):
        ours = f"**{name}**" if name.startswith("bascule") else name
        speed = table["amount"] / c["median"] if rate and c["median"] else None
        lines.append(f"| {ours} | {_cell(c['median'], '.2f')} |" + (f" {_cell(speed, ',.0f')} |" if rate else "")
                     + f" {_cell(c['times_ours'], '.2f')} | {_cell(_median(c, 'cpu_source'), '.1f')} |"
                     f" {_cell(_median(c, 'cpu_target'), '.1f')} | {_cell(_median(c, 'cpu_tool'), '.1f')} | {_cell(_median(c, 'peak_mb'), '.0f')} |")
    lines += [f"\n{name} failed {len(whys)} times: {whys[0].splitlines()[-1][:120]}" for name, whys in table["failures"].items()]
    return "\n".join(lines)


def _goals(tables):
    lines = ["\n## What was to be reached", "Speed of bascule as a multiple of the best of the peers named.\n",
             "| work | against | wanted | measured | |", "|---|---|---:|---:|---|"]
    for name, ours, peers, wanted in WANTED:
        table = tables.get(name)
        mine, theirs = (_best(table, ours), _best(table, peers)) if table else (None, None)
        measured = theirs[0] / mine[0] if mine and theirs else None
        verdict = "not measured" if measured is None else "reached" if measured >= wanted else "**not reached**"
        lines.append(f"| {name} | {theirs[1] if theirs else ', '.join(peers)} | {wanted:.2f} | {_cell(measured, '.2f')} | {verdict} |")
    return "\n".join(lines)


def _cpu(tables):
    lines = ["\n## CPU of bascule beside that of the servers", "| work | | bascule, s | both servers, s | share |", "|---|---|---:|---:|---:|"]
    for name, table in tables.items():
        if not name.startswith(("load.", "stream.")):
            continue
        for who, c in table["competitors"].items():
            tool, servers = _median(c, "cpu_tool"), (_median(c, "cpu_source") or 0) + (_median(c, "cpu_target") or 0)
            if who.startswith("bascule") and tool is not None and servers:
                lines.append(f"| {name} | {who} | {tool:.1f} | {servers:.1f} | {tool / servers:.0%} |")
    return "\n".join(lines)


def _facts(documents):
    lines = ["| measured | parts | runs | scale | machine | versions |", "|---|---|---:|---:|---|---|"]
    for d in documents:
        parts = ", ".join(dict.fromkeys(t["name"].split(".")[0] for t in d["tables"]))
        m = d["machine"]
        lines.append(f"| {d['date'][:16].replace('T', ' ')} | {parts} | {d['runs']} | {d['scale']:g} | {m['cpu']}, {m['cores']} cores, {m['memory_gb']} GB,"
                     f" Linux {m['kernel'].split('-')[0]}, load at the start {m['load_average_at_start']:.1f} |"
                     f" {', '.join(f'{k} {v.split(chr(32))[0]}' for k, v in d['versions'].items())} |")
    return "\n".join(lines)


def _picture(table, path):
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.fonttype"] = "none"
    matplotlib.rcParams["svg.hashsalt"] = table["name"]  # the same picture from the same figures
    from matplotlib import pyplot
    rows = sorted(((c["median"] or 0, name) for name, c in table["competitors"].items()), reverse=True)
    figure, axes = pyplot.subplots(figsize=(8, 0.6 + 0.36 * len(rows)))
    for place, (median, name) in enumerate(rows):
        color = "#1f6f54" if name.startswith("bascule") else "#c9c9c9" if name.startswith("limit") else "#7a93ac"
        axes.barh(place, median, color=color)
        runs = [run.get(table["figure"]) for run in table["competitors"][name]["runs"]]
        axes.plot([r for r in runs if r is not None], [place] * len([r for r in runs if r is not None]), "|", color="black", markersize=8)
    axes.set_yticks(range(len(rows)), [name for _, name in rows])
    axes.set_xlabel(f"{table['figure']}, less is better; a stroke is a run")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)


def write(paths, docs="docs"):
    documents = sorted((json.load(open(path)) for path in paths), key=lambda d: d["date"])
    tables = {t["name"]: t for d in documents for t in d["tables"]}  # a later run of the same work counts
    os.makedirs(os.path.join(docs, FOLDER), exist_ok=True)
    for name, table in tables.items():
        _picture(table, os.path.join(docs, FOLDER, f"{name}.svg"))
    with open(os.path.join(docs, "performance.md"), "w") as f:
        f.write("\n".join([HEAD, _facts(documents), _goals(tables), _cpu(tables), *map(_table, tables.values())]) + "\n")
