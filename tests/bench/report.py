"""Medians, ratios, text, JSON."""
import datetime
import json
import os
import platform
import statistics
import subprocess


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown")
    with open("/proc/meminfo") as f:
        memory = round(int(f.readline().split()[1]) / 1024 / 1024)
    return {"cpu": model, "cores": os.cpu_count(), "memory_gb": memory, "kernel": platform.release(),
            "load_average_at_start": os.getloadavg()[0]}


def versions(rig):
    found = {}
    with rig.source.connect() as c:
        found["postgresql"] = c.execute("SHOW server_version").fetchone()[0]
    for name in ("postgresql-15-wal2json", "postgresql-15-pglogical", "pgcopydb"):
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True)
        found[name] = done.stdout if done.returncode == 0 else "not installed"
    return found


class Table:
    """Samples of one kind of work: competitor -> runs. `amount` is the work of one run, `unit` its name."""

    def __init__(self, name, title, amount=None, unit=None, figure="seconds"):
        self.name, self.title, self.amount, self.unit, self.figure = name, title, amount, unit, figure
        self.runs, self.failures = {}, {}

    def add(self, competitor, sample):
        self.runs.setdefault(competitor, []).append(sample)

    def fail(self, competitor, why):
        self.failures.setdefault(competitor, []).append(str(why))

    def median(self, competitor, figure=None):
        values = [self._value(s, figure or self.figure) for s in self.runs.get(competitor, [])]
        values = [v for v in values if v is not None]
        return statistics.median(values) if values else None

    @staticmethod
    def _value(sample, figure):
        if hasattr(sample, figure):
            return getattr(sample, figure)
        return (sample.extra or {}).get(figure)

    def ratios(self):
        """How many times as long as the best of ours each competitor took."""
        ours = [self.median(c) for c in self.runs if c.startswith("bascule")]
        best = min((m for m in ours if m), default=None)
        return {c: self.median(c) / best for c in self.runs if best and self.median(c)}

    def as_dict(self):
        return {
            "name": self.name, "title": self.title, "amount": self.amount, "unit": self.unit,
            "figure": self.figure,
            "competitors": {c: {"median": self.median(c), "times_ours": self.ratios().get(c),
                                "runs": [s.as_dict() for s in runs]} for c, runs in self.runs.items()},
            "failures": self.failures,
        }

    def text(self):
        rate = f"{self.unit}/s" if self.amount else ""
        lines = [f"{self.title}", f"  {'':34} {self.figure:>9} {rate:>12} {'x ours':>7} {'cpu src':>8} {'cpu dst':>8}"
                 f" {'cpu tool':>8} {'peak MB':>8}"]
        ratios = self.ratios()

        def cell(value, form, width):
            return f"{format(value, form) if value is not None else '-':>{width}}"
        for c in sorted(self.runs, key=lambda c: self.median(c) or 0):
            median = self.median(c)
            speed = self.amount / median if self.amount and median else None
            lines.append(f"  {c:34} {cell(median, '.2f', 9)} {cell(speed, ',.0f', 12)} {cell(ratios.get(c), '.2f', 7)}"
                         f" {cell(self.median(c, 'cpu_source'), '.1f', 8)} {cell(self.median(c, 'cpu_target'), '.1f', 8)}"
                         f" {cell(self.median(c, 'cpu_tool'), '.1f', 8)} {cell(self.median(c, 'peak_mb'), '.0f', 8)}")
        for c, whys in self.failures.items():
            lines.append(f"  {c:34} failed {len(whys)} times: {whys[0].splitlines()[-1][:90]}")
        return "\n".join(lines)


def write_json(path, rig_facts, tables):
    with open(path, "w") as f:
        json.dump({"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                   **rig_facts, "tables": [t.as_dict() for t in tables]}, f, indent=1)
        f.write("\n")
