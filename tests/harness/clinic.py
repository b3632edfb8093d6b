"""The credentialing service of the demonstration: its database and what its users do all day."""
from pathlib import Path

DIRECTORY = Path(__file__).parents[1] / "demo.d"
COUNTS = {"users": 93, "providers": 85, "licenses": 1255, "cme_activities": 19214}


def create(db, log_rows):
    """As role `app`."""
    db.sql((DIRECTORY / "clinic.sql").read_text(), user="app")
    db.sql((DIRECTORY / "clinic_rows.sql").read_text().replace("LOG_ROWS", str(log_rows)), user="app")
    for table, rows in COUNTS.items():
        found = db.value(f"SELECT count(*) FROM {table}")
        assert found == rows, f"{table}: {found} rows instead of {rows}"
    return db


def log_request(w):
    w.sql("INSERT INTO activity_log (user_id, at, action, detail)"
          " SELECT %s, clock_timestamp(), 'view', %s || i FROM generate_series(1, %s) i",
          w.rng.randint(1, 93), w.word(), w.rng.randint(1, 20))
    w.sql("UPDATE users SET last_seen = clock_timestamp() WHERE id = %s", w.rng.randint(2, 93))


def record_activity(w):
    w.sql("INSERT INTO cme_activities (cycle_id, provider_id, title, hours, completed_on, evidence, tags)"
          " SELECT c.id, l.provider_id, %s, %s, current_date, '\\x0102', ARRAY[%s, NULL]"
          " FROM cme_cycles c JOIN licenses l ON l.id = c.license_id WHERE c.id = %s",
          w.word(), w.rng.randint(0, 40) / 2, w.word(), w.rng.randint(1, 1255))


def correct_activity(w):
    w.sql("UPDATE cme_activities SET hours = %s, title = title || '.' WHERE id = %s", w.rng.randint(0, 40) / 2,
          w.rng.randint(1, 19214))


def remove_activity(w):
    w.sql("DELETE FROM cme_activities WHERE id = %s", w.rng.randint(1, 19214))


def renew_license(w):
    w.sql("UPDATE licenses SET status = 'active', expires_on = expires_on + 365 WHERE id = %s", w.rng.randint(1, 1255))


def renumber_license(w):
    w.sql("UPDATE licenses SET number = %s WHERE id = %s", f"N{w.tag()}", w.rng.randint(1, 1255))


def move_provider(w):
    w.sql("UPDATE providers SET practice_id = %s, slug = %s WHERE id = %s", w.rng.randint(1, 11), f"dr-{w.tag()}",
          w.rng.randint(1, 85))


def open_practice(w):
    w.sql("INSERT INTO practices (organization_id, name, slug) VALUES (%s, %s, %s)", w.rng.randint(1, 4), w.word(),
          f"p-{w.tag()}")


def change_mind(w):
    w.sql("SAVEPOINT s")
    w.sql("DELETE FROM cme_activities WHERE cycle_id = %s", w.rng.randint(1, 1255))
    w.sql("ROLLBACK TO s")
    correct_activity(w)


SETS = {"clinic": [log_request] * 6 + [record_activity] * 5 + [correct_activity] * 3 + [remove_activity, renew_license,
        renew_license, renumber_license, move_provider, open_practice, change_mind]}
