"""Settings of tests/matrix/settings.txt at their three levels, and a way round them for the test itself."""
from .matrix import DIRECTORY, quote

ROLE = "hostile"


def settings(level):
    lines = [line for line in (DIRECTORY / "settings.txt").read_text().splitlines() if not line.startswith("--")]
    return {name: value for at, name, value in (line.split(" ", 2) for line in lines) if at == level}


def make(database):
    """What the database's sessions and the role `hostile` find. The test's own sessions keep the server's defaults."""
    names = [name for level in ("server", "database", "role") for name in settings(level)]
    defaults = database.sql("SELECT name, boot_val FROM pg_settings WHERE lower(name) = ANY (%s) AND name <> 'client_encoding'",
                            ([n.lower() for n in names],))
    assert len(defaults) == len(names) - 1, "a setting that the server does not know"
    with database.connect() as c:
        c.execute(f"CREATE ROLE {ROLE} LOGIN SUPERUSER")
        for name, value in settings("role").items():
            c.execute(f"ALTER ROLE {ROLE} SET {name} = {value}")
        for name, value in settings("database").items():
            c.execute(f"ALTER DATABASE {quote(database.name)} SET {name} = {value}")
    options = " ".join("-c {}={}".format(name, value.replace(" ", "\\ ")) for name, value in defaults)
    connect = database.connect
    database.connect = lambda *args, **kw: connect(*args, **{"options": options, "client_encoding": "UTF8", **kw})
    return database


def sessions(*databases):
    """(pid, start, what) of each session of bascule."""
    out = set()
    for db in databases:
        out |= {(db.cluster.name, *row) for row in db.sql(
            "SELECT pid, backend_start, backend_type, application_name FROM pg_stat_activity"
            " WHERE application_name LIKE 'bascule:%' AND usename = 'hostile' AND datname = current_database()")}
    return out
