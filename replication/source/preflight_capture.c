/* preflight_capture - can the source tell of its DDL by event triggers? */
#include "source/preflight_internal.h"

void preflight_capture(Preflight *p)
{
    const PreflightSide *source = &p->source;
    if (!p->spec->capture_may || source->conn == NULL || !p->streams)
        return;
    bool role = source->superuser || preflight_fact_true(source, "managed_superuser");
    bool schema = source->superuser || preflight_fact_true(source, "create_on_database");
    bool language = preflight_fact_true(source, "plpgsql");
    if (role && schema && language) {
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "ddl-capture", .subject = "source",
                      .what = "the role may make the event triggers that tell of DDL", .why = "",
                      .remedy = "");
        return;
    }
    const char *what = !language ? "language plpgsql is not there"
                       : !role   ? "the role may not make event triggers"
                                 : "the role may not create in the database";
    const char *remedy =
        !language ? "CREATE EXTENSION plpgsql;  -- on the source"
        : !role   ? "Connect as a superuser (managed services: the role that stands "
                    "for one), or set ddl_capture: off"
                  : preflight_text(p, "GRANT CREATE ON DATABASE %s TO %s;",
                                   preflight_ident(p, preflight_fact(source, "database")),
                                   preflight_role(p, source));
    PREFLIGHT_ADD(p, p->spec->capture_must ? PREFLIGHT_BLOCKER : PREFLIGHT_WARNING,
                  .code = "ddl-capture", .subject = "source", .what = what,
                  .why = "changes of shape are seen in the catalog only, without their text, and "
                         "what changes no shape (an index) not at all",
                  .remedy = remedy);
}
