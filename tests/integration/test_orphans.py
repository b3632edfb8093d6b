"""bascule verify --orphans: foreign keys of both sides, of one side only, not validated, and those that no constraint names."""
TABLES = """
CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('sad', 'fine'); CREATE DOMAIN feeling AS mood;
CREATE TABLE parent (id int PRIMARY KEY, code citext UNIQUE, f mood, g feeling, n int, UNIQUE (f, n));
INSERT INTO parent SELECT i, 'Code ' || i, 'fine', 'fine', i FROM generate_series(1, 50) i;
CREATE TABLE child (id int PRIMARY KEY, parent int, code citext, f mood, g feeling, n int, plain int);
INSERT INTO child SELECT i, i % 50 + 1, 'CODE ' || i % 50 + 1, CASE WHEN i % 7 > 0 THEN 'fine'::mood END, CASE WHEN i % 7 > 0 THEN 'fine'::feeling END, i % 50 + 1, i % 50 + 1
    FROM generate_series(1, 500) i;
CREATE TABLE other (id int PRIMARY KEY, parent int);
INSERT INTO other SELECT i, i FROM generate_series(1, 20) i;
ALTER TABLE child ADD CONSTRAINT by_id FOREIGN KEY (parent) REFERENCES parent;
ALTER TABLE child ADD CONSTRAINT by_code FOREIGN KEY (code) REFERENCES parent (code);
ALTER TABLE child ADD CONSTRAINT by_two FOREIGN KEY (f, n) REFERENCES parent (f, n) NOT VALID"""
SILENT = "SET session_replication_role = replica; "


def orphans(task, *args, expect=0):
    done = task.cmd("verify", "--orphans", "--json", *args, timeout=120)
    assert done.code == expect, f"{done!r}\n{task.tail(60)}"
    report = done.json()["report"]
    return {o["constraint"]: (o["source"], o["target"], o["note"]) for o in report["orphans"]}, report


def test_constraints_of_either_side(source, target, make_task):
    source.sql(TABLES)
    task = make_task().start().wait_streaming()
    found, report = orphans(task)
    assert report["verdict"] == "equal"
    assert found == {"by_id": (0, 0, ""), "by_code": (0, 0, ""),
                     "by_two": (0, 0, "the constraint is not validated on the target")}
    # of the source only, of the target only, of both under another name
    target.sql("ALTER TABLE child DROP CONSTRAINT by_id; ALTER TABLE child RENAME CONSTRAINT by_code TO called_otherwise;"
               "ALTER TABLE other ADD CONSTRAINT late FOREIGN KEY (parent) REFERENCES parent NOT VALID;"
               "CREATE TABLE only_here (id int PRIMARY KEY); ALTER TABLE parent ADD COLUMN extra int DEFAULT 4;"
               "ALTER TABLE parent ADD CONSTRAINT own FOREIGN KEY (extra) REFERENCES only_here NOT VALID")
    target.sql(SILENT + "DELETE FROM parent WHERE id = 7; UPDATE other SET parent = 1000 WHERE id = 3")
    found, report = orphans(task, expect=4)
    assert found == {"by_id": (0, 10, "the constraint is missing on the target"), "by_code": (0, 10, ""),
                     "by_two": (0, 8, "the constraint is not validated on the target"),
                     "late": (0, 2, "the constraint is missing on the source"),
                     "own": (None, 49, "the source has neither the constraint nor its columns")}
    assert {t["table"]: t["verdict"] for t in report["tables"]} == {
        "public.child": "mismatch", "public.other": "mismatch", "public.parent": "mismatch"}
    keys = [o["example"] for o in report["orphans"] if o["constraint"] == "by_id"]
    assert int(keys[0]["id"]) % 50 == 6
    # keys are masked in examples too
    _, report = orphans(task, "--mask-keys", expect=4)
    assert {v for o in report["orphans"] if o["example"] for v in o["example"].values()} <= {
        f"*** ({n} bytes)" for n in range(1, 4)}
    source.sql(SILENT + "DELETE FROM parent WHERE id = 9")
    task.wait_applied(source)
    found, _ = orphans(task, "--tables", "public.child", expect=4)
    assert found["by_id"][:2] == (10, 20) and found["by_code"][:2] == (10, 20) and "late" not in found


def test_foreign_keys_that_no_constraint_names(source, target, make_task):
    source.sql(TABLES)
    source.sql("ALTER TABLE child DROP CONSTRAINT by_id, DROP CONSTRAINT by_code, DROP CONSTRAINT by_two;"
               "CREATE TABLE era (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part);"
               "CREATE TABLE era_1 PARTITION OF era FOR VALUES IN (1); CREATE TABLE era_2 PARTITION OF era FOR VALUES IN (2);"
               "INSERT INTO era SELECT i, i % 2 + 1 FROM generate_series(1, 20) i")
    references = ["public.child (parent) -> public.parent (id)", "public.child (code) -> public.parent (code)",
                  "public.child (g, n) -> public.parent (g, n)", "public.era_% (id) -> public.child (id)",
                  "public.other (id) -> public.era (id)"]
    task = make_task(verify={"references": references}).start().wait_streaming()
    found, report = orphans(task)
    note = "no constraint names it (verify.references)"
    assert report["verdict"] == "equal" and found == {text: (0, 0, note) for text in references}
    assert len(report["orphans"]) == 6
    # a constraint says the same: it is asked once
    source.sql("ALTER TABLE child ADD CONSTRAINT by_id FOREIGN KEY (parent) REFERENCES parent")
    target.sql(SILENT + "DELETE FROM parent WHERE id = 7; DELETE FROM child WHERE id = 5; DELETE FROM era WHERE id = 5")
    found, report = orphans(task, expect=4)
    assert found == {"by_id": (0, 10, "the constraint is missing on the target"), references[1]: (0, 10, note),
                     references[2]: (0, 8, note), references[3]: (0, 0, note), references[4]: (0, 1, note)}
    # the command reads them anew; what is wrong is refused by name
    for text, why in (("public.nothing (a) -> public.parent (id)", "names no table"),
                      ("public.child (nothing) -> public.parent (id)", "no column 'nothing'"),
                      ("public.child (parent) -> public.parent (nothing)", "no column 'nothing'"),
                      ("public.child (parent) -> public.nothing (id)", "no table 'public.nothing'"),
                      ("public.child (parent) -> public.era (nothing)", "no table 'public.era' with these columns"),
                      ("public.child (parent) = public.parent (id)", "'->' is missing")):
        task.write_config(verify={"references": [text]})
        done = task.cmd("verify", "--orphans")
        assert done.code == 2 and why in done.text and text in done.text, repr(done)


def test_names_of_the_target(source, target, make_task):
    """References are written in the source's names and asked by the rules' names on the target."""
    source.sql("CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 5);"
               "CREATE TABLE child (id int PRIMARY KEY, parent int); INSERT INTO child SELECT i, i FROM generate_series(1, 5) i")
    target.sql("CREATE SCHEMA app; CREATE TABLE app.eltern (nr int PRIMARY KEY); CREATE TABLE app.kind (id int PRIMARY KEY, elter int)")
    task = make_task(target={"prepare": "nothing"}, verify={"references": ["public.child (parent) -> public.parent (id)"]},
                     rules={"names": ["public.parent -> app.eltern", "public.child -> app.kind", "public.parent.id -> nr",
                                      "public.child.parent -> elter"]}).start().wait_streaming()
    assert list(orphans(task)[0].values())[0][:2] == (0, 0)
    target.sql(SILENT + "DELETE FROM app.eltern WHERE nr = 3")
    assert list(orphans(task, expect=4)[0].values())[0][:2] == (0, 1)
    target.sql("ALTER TABLE app.kind ADD CONSTRAINT there FOREIGN KEY (elter) REFERENCES app.eltern NOT VALID")
    found, _ = orphans(task, expect=4)
    assert found == {"there": (0, 1, "the constraint is missing on the source")}


def test_a_side_that_cannot_be_asked(source, target, make_task):
    """The parent is gone: what points there is not verified, with the server's words; other tables are answered."""
    source.sql(TABLES)
    task = make_task().start().wait_streaming()
    target.sql("DROP TABLE parent CASCADE")
    found, report = orphans(task, expect=4)
    tables = {t["table"]: t for t in report["tables"]}
    assert {name: t["verdict"] for name, t in tables.items()} == {
        "public.child": "not-verified", "public.other": "equal", "public.parent": "mismatch"}, report
    assert "the target refused" in tables["public.child"]["why"]
    assert found["by_id"] == (0, None, "the constraint is missing on the target")
