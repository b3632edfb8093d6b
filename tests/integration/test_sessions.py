"""Sessions of src/pg against real servers: pins, cancel and stop, COPY, pipelines, stream. The checks are in
pgconn_live.c; here stand the servers, roles and encodings under which they must hold."""
import os
import subprocess

import pytest

from harness import majors, place, tls


def live(conninfo, encoding="UTF8"):
    program = os.path.join(os.path.dirname(place.binary()), "integration", "pgconn_live")
    assert os.path.exists(program), f"{program} is not built"
    env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    env.update(BASCULE_TEST_CONNINFO=conninfo, BASCULE_TEST_ENCODING=encoding)
    done = subprocess.run([program], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_over_a_unix_socket(source):
    live(source.dsn)


def test_over_tls(source):
    live(source.cluster.conninfo(source.name, user="tls_user", host="localhost", sslmode="verify-full",
                                 sslrootcert=tls.good_ca(place.base())))


def test_role_and_database_with_hostile_settings(source):
    """What roles and databases set must not reach a session."""
    source.sql(f"""
        CREATE ROLE hostile LOGIN SUPERUSER;
        ALTER ROLE hostile SET datestyle = 'German';
        ALTER ROLE hostile SET statement_timeout = '1ms';
        ALTER ROLE hostile SET idle_in_transaction_session_timeout = '1ms';
        ALTER ROLE hostile SET client_min_messages = 'error';
        ALTER ROLE hostile SET default_transaction_isolation = 'serializable';
        ALTER ROLE hostile SET standard_conforming_strings = off;
        ALTER ROLE hostile SET extra_float_digits = -3;
        ALTER ROLE hostile SET quote_all_identifiers = on;
        ALTER ROLE hostile SET client_encoding = 'LATIN1';
        ALTER DATABASE "{source.name}" SET search_path = nowhere;
        ALTER DATABASE "{source.name}" SET default_transaction_read_only = on;
        ALTER DATABASE "{source.name}" SET bytea_output = escape;
        ALTER DATABASE "{source.name}" SET intervalstyle = sql_standard;
        ALTER DATABASE "{source.name}" SET timezone = 'Asia/Kolkata'""")
    try:
        live(source.conninfo("hostile", options="-c work_mem=5MB -c bytea_output=escape"))
    finally:
        with source.connect(options="-c default_transaction_read_only=off") as c:
            c.execute("DROP OWNED BY hostile; DROP ROLE hostile")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_encoding(clusters, make_database, encoding):
    live(make_database(clusters[0], encoding=encoding).dsn, encoding)


@pytest.mark.other_major
@pytest.mark.parametrize("major", sorted(majors.VERSIONS))
def test_other_versions(make_cluster, make_database, server_bin, major):
    live(make_database(make_cluster(f"pg{major}", bindir=server_bin(major))).dsn)
