-- 93 users, 85 providers, 1,255 licences, 19,214 activities, and LOG_ROWS rows of log.
SET synchronous_commit = off;
INSERT INTO organizations (name, slug) SELECT 'Health Group ' || i, 'health-group-' || i FROM generate_series(1, 4) i;
INSERT INTO practices (organization_id, name, slug, address)
    SELECT 1 + i % 4, 'Practice ' || i, 'practice-' || i, i || ' Main Street' FROM generate_series(1, 11) i;
INSERT INTO users (practice_id, email, full_name, role)
    SELECT CASE WHEN i > 1 THEN 1 + i % 11 END,
           CASE WHEN i = 1 THEN 'system@clinic.example' ELSE 'user' || i || '@clinic.example' END,
           CASE WHEN i = 1 THEN 'System' ELSE 'Dr. Zoë O''Neil ' || i END,
           CASE WHEN i = 1 THEN 'system' WHEN i <= 8 THEN 'staff' ELSE 'provider' END
    FROM generate_series(1, 93) i;
INSERT INTO providers (user_id, practice_id, npi, slug, specialty, biography)
    SELECT 8 + i, 1 + (8 + i) % 11, lpad((1000000000 + i * 7919)::text, 10, '0'), 'dr-oneil-' || i,
           (ARRAY['Cardiology', 'Paediatrics', 'Family medicine', NULL])[1 + i % 4],
           repeat('Studied at ' || md5(i::text) || '. ', 5 * i)
    FROM generate_series(1, 85) i;
INSERT INTO licenses (provider_id, state, number, status, issued_on, expires_on)
    SELECT 1 + i % 85, (ARRAY['CA', 'NY', 'TX', 'WA', 'FL'])[1 + i % 5], 'L' || lpad(i::text, 6, '0'),
           (ARRAY['active', 'active', 'pending', 'expired'])[1 + i % 4]::license_state,
           date '2020-01-01' + i % 900, date '2023-01-01' + i % 2000
    FROM generate_series(1, 1255) i;
INSERT INTO cme_cycles (license_id, starts_on, ends_on, hours_needed)
    SELECT i, date '2024-01-01', date '2025-12-31', 20 + i % 30 FROM generate_series(1, 1255) i;
INSERT INTO cme_activities (cycle_id, provider_id, title, hours, completed_on, evidence, tags)
    SELECT c.id, l.provider_id, 'Course ' || i || ' in ' || (ARRAY['ethics', 'imaging', 'pain, opioids'])[1 + i % 3],
           0.5 * (1 + i % 16), date '2024-01-01' + i % 700, decode(md5(i::text), 'hex'),
           CASE WHEN i % 5 > 0 THEN ARRAY['cme', NULL, 'category ' || i % 3] END
    FROM generate_series(1, 19214) i JOIN cme_cycles c ON c.id = 1 + i % 1255 JOIN licenses l ON l.id = c.license_id;
CREATE TRIGGER licenses_audit AFTER INSERT OR UPDATE OR DELETE ON licenses
    FOR EACH ROW EXECUTE FUNCTION write_audit();
CREATE TRIGGER cme_activities_audit AFTER INSERT OR UPDATE OR DELETE ON cme_activities
    FOR EACH ROW EXECUTE FUNCTION write_audit();
INSERT INTO activity_log (user_id, at, action, detail)
    SELECT 1 + i % 93, timestamptz '2025-01-01 00:00+00' + i * interval '7 seconds',
           (ARRAY['view', 'search', 'update', 'export'])[1 + i % 4],
           'request ' || md5(i::text) || ' took ' || i % 400 || ' ms'
    FROM generate_series(1, LOG_ROWS) i;
ALTER TABLE activity_log ADD PRIMARY KEY (id), ADD FOREIGN KEY (user_id) REFERENCES users;
CREATE INDEX activity_log_user ON activity_log (user_id, at);
ANALYZE;
