-- A database as the code before the second migration made it: its tables, and what applying two
-- plans and three edits by hand left in them. Written by that code and dumped.
CREATE TABLE usher_audit (
    seq bigint NOT NULL,
    tenant text NOT NULL,
    committed_at text NOT NULL,
    action_key text NOT NULL,
    kind text NOT NULL,
    member_id text NOT NULL,
    email text NOT NULL,
    actor text NOT NULL,
    changes jsonb NOT NULL,
    reasons jsonb NOT NULL
);
ALTER TABLE usher_audit ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME usher_audit_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE usher_effects (
    seq bigint NOT NULL,
    tenant text NOT NULL,
    kind text NOT NULL,
    action_key text NOT NULL,
    to_id text NOT NULL,
    about_id text NOT NULL
);
ALTER TABLE usher_effects ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME usher_effects_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE usher_keys (
    tenant text NOT NULL,
    action_key text NOT NULL,
    member_id text NOT NULL
);
CREATE TABLE usher_locks (
    tenant text NOT NULL,
    owner text NOT NULL,
    expires_ms bigint NOT NULL
);
CREATE TABLE usher_members (
    tenant text NOT NULL,
    id text NOT NULL,
    revision bigint NOT NULL,
    protected boolean DEFAULT false NOT NULL,
    connection text NOT NULL,
    external_id text NOT NULL,
    managed boolean NOT NULL,
    active boolean NOT NULL,
    email text NOT NULL,
    email_key text,
    other_emails jsonb,
    private_email text NOT NULL,
    given_name text NOT NULL,
    family_name text NOT NULL,
    title text NOT NULL,
    phone text NOT NULL,
    mobile_phone text NOT NULL,
    phone_extension text NOT NULL,
    timezone text NOT NULL,
    country text NOT NULL,
    state text NOT NULL,
    locale text NOT NULL,
    manager_id text NOT NULL,
    assignment_id text NOT NULL,
    seats jsonb,
    home text NOT NULL,
    profiles jsonb,
    capture jsonb,
    extra jsonb,
    owners jsonb
);
CREATE TABLE usher_plans (
    tenant text NOT NULL,
    hash text NOT NULL,
    saved_at text NOT NULL,
    plan text NOT NULL
);
CREATE TABLE usher_schema (
    id integer NOT NULL,
    version integer NOT NULL
);
CREATE TABLE usher_tenants (
    tenant text NOT NULL,
    revision bigint NOT NULL
);
INSERT INTO usher_audit OVERRIDING SYSTEM VALUE VALUES (1, 'acme', '2026-11-02T09:30:00.000000Z', '0fb443fd8c66634720ef5cd2ba95cabc', 'create', 'f720ccb7-3a39-8e0d-82b6-2acd9e7f4313', 'ana@acme.example', 'schedule', '[{"new": "okta-prod", "old": null, "field": "connection", "owner": "nobody"}, {"new": "u1", "old": null, "field": "external_id", "owner": "nobody"}, {"new": true, "old": false, "field": "managed", "owner": "nobody"}, {"new": true, "old": false, "field": "active", "owner": "nobody"}, {"new": "ana@acme.example", "old": null, "field": "email", "owner": "source"}, {"new": ["a.oneil@acme.example"], "old": null, "field": "other_emails", "owner": "source"}, {"new": "Ana", "old": null, "field": "given_name", "owner": "source"}, {"new": "O''Neil \"Nell\"", "old": null, "field": "family_name", "owner": "source"}, {"new": "CEO", "old": null, "field": "title", "owner": "source"}, {"new": "+12125551994", "old": null, "field": "phone", "owner": "source"}, {"new": "America/New_York", "old": null, "field": "timezone", "owner": "source"}, {"new": "US", "old": null, "field": "country", "owner": "source"}, {"new": "en-US", "old": null, "field": "locale", "owner": "source"}, {"new": "sales", "old": null, "field": "assignment_id", "owner": "nobody"}, {"new": ["core", "engage"], "old": null, "field": "seats", "owner": "source"}, {"new": "ws1", "old": null, "field": "home", "owner": "source"}, {"new": {"ws1": "standard"}, "old": null, "field": "profiles", "owner": "source"}, {"new": ["recording"], "old": null, "field": "capture", "owner": "source"}]', '[{"code": "match.new"}, {"code": "tz.from_zone", "facts": {"timezone": "America/New_York"}}, {"code": "assignment.first_match", "facts": {"assignment": "Sales"}}, {"code": "hierarchy.no_manager_key"}, {"code": "hierarchy.manual_needed"}]');
INSERT INTO usher_audit OVERRIDING SYSTEM VALUE VALUES (2, 'acme', '2026-11-02T09:30:00.000000Z', '62e3b275b69b12b8ea641ff06fe96fbc', 'create', '5cc7c47f-bc03-8193-8377-3706dd477189', 'Bob@acme.example', 'schedule', '[{"new": "okta-prod", "old": null, "field": "connection", "owner": "nobody"}, {"new": "u2", "old": null, "field": "external_id", "owner": "nobody"}, {"new": true, "old": false, "field": "managed", "owner": "nobody"}, {"new": true, "old": false, "field": "active", "owner": "nobody"}, {"new": "Bob@acme.example", "old": null, "field": "email", "owner": "source"}, {"new": "Bob", "old": null, "field": "given_name", "owner": "source"}, {"new": "日本", "old": null, "field": "family_name", "owner": "source"}, {"new": "Seller", "old": null, "field": "title", "owner": "source"}, {"new": "Europe/Berlin", "old": null, "field": "timezone", "owner": "source"}, {"new": "en-US", "old": null, "field": "locale", "owner": "nobody"}, {"new": "f720ccb7-3a39-8e0d-82b6-2acd9e7f4313", "old": null, "field": "manager_id", "owner": "source"}, {"new": "sales", "old": null, "field": "assignment_id", "owner": "nobody"}, {"new": ["core", "engage"], "old": null, "field": "seats", "owner": "source"}, {"new": "ws1", "old": null, "field": "home", "owner": "source"}, {"new": {"ws1": "standard"}, "old": null, "field": "profiles", "owner": "source"}, {"new": ["recording"], "old": null, "field": "capture", "owner": "source"}]', '[{"code": "match.new"}, {"code": "tz.from_zone", "facts": {"timezone": "Europe/Berlin"}}, {"code": "assignment.first_match", "facts": {"assignment": "Sales"}}, {"code": "hierarchy.manager", "facts": {"manager": "Ana O''Neil \"Nell\""}}]');
INSERT INTO usher_audit OVERRIDING SYSTEM VALUE VALUES (3, 'acme', '2026-11-02T09:30:00.000000Z', '717933854bfe80e29a095f64e42bc82c', 'update', '5cc7c47f-bc03-8193-8377-3706dd477189', 'Bob@acme.example', 'schedule', '[{"new": "Senior Seller", "old": "Seller", "field": "title", "owner": "source"}]', '[{"code": "source.value", "facts": {"fields": "title"}}]');
INSERT INTO usher_effects OVERRIDING SYSTEM VALUE VALUES (1, 'acme', 'notify_manager', '62e3b275b69b12b8ea641ff06fe96fbc', 'f720ccb7-3a39-8e0d-82b6-2acd9e7f4313', '5cc7c47f-bc03-8193-8377-3706dd477189');
INSERT INTO usher_keys VALUES ('acme', '0fb443fd8c66634720ef5cd2ba95cabc', 'f720ccb7-3a39-8e0d-82b6-2acd9e7f4313');
INSERT INTO usher_keys VALUES ('acme', '62e3b275b69b12b8ea641ff06fe96fbc', '5cc7c47f-bc03-8193-8377-3706dd477189');
INSERT INTO usher_keys VALUES ('acme', '717933854bfe80e29a095f64e42bc82c', '5cc7c47f-bc03-8193-8377-3706dd477189');
INSERT INTO usher_members VALUES ('acme', 'f720ccb7-3a39-8e0d-82b6-2acd9e7f4313', 1, false, 'okta-prod', 'u1', true, true, 'ana@acme.example', 'ana@acme.example', '["a.oneil@acme.example"]', '', 'Ana', 'O''Neil "Nell"', 'CEO', '+12125551994', '', '', 'America/New_York', 'US', '', 'en-US', '', 'sales', '["core", "engage"]', 'ws1', '{"ws1": "standard"}', '["recording"]', NULL, '{"home": "source", "email": "source", "extra": "source", "phone": "source", "seats": "source", "title": "source", "locale": "source", "capture": "source", "country": "source", "profiles": "source", "timezone": "source", "given_name": "source", "family_name": "source", "other_emails": "source"}');
INSERT INTO usher_members VALUES ('acme', '5cc7c47f-bc03-8193-8377-3706dd477189', 3, false, 'okta-prod', 'u2', true, true, 'Bob@acme.example', 'bob@acme.example', NULL, '', 'Bob', '日本', 'Senior Seller', '', '', '', 'Europe/Berlin', '', '', 'en-US', 'f720ccb7-3a39-8e0d-82b6-2acd9e7f4313', 'sales', '["core", "engage"]', 'ws1', '{"ws1": "standard"}', '["recording"]', NULL, '{"home": "source", "email": "source", "extra": "source", "seats": "source", "title": "source", "capture": "source", "profiles": "source", "timezone": "source", "given_name": "source", "manager_id": "source", "family_name": "source"}');
INSERT INTO usher_members VALUES ('acme', 'hand-1', 4, true, '', '', false, true, 'carl@acme.example', 'carl@acme.example', NULL, '', 'Carl', '', '', '', '', '', '', '', '', '', '', '', NULL, '', NULL, NULL, '{"beta": true, "team": "north", "limit": 2.5}', NULL);
INSERT INTO usher_members VALUES ('other', 'hand-1', 1, false, '', '', false, true, 'carl@acme.example', 'carl@acme.example', NULL, '', 'Carl', '', '', '', '', '', '', '', '', '', '', '', NULL, '', NULL, NULL, NULL, NULL);
INSERT INTO usher_plans VALUES ('acme', '89afd843d89672e0f6bd6ca0ef41655be63b836a7ca7de186c6b74d509ded3d1', '2026-11-02T09:30:00.000000Z', '{"format":1,"source":"okta","connection":"okta-prod","actions":[{"kind":"create","key":"0fb443fd8c66634720ef5cd2ba95cabc","changes":[{"field":"connection","old":null,"new":"okta-prod","owner":"nobody"},{"field":"external_id","old":null,"new":"u1","owner":"nobody"},{"field":"managed","old":false,"new":true,"owner":"nobody"},{"field":"active","old":false,"new":true,"owner":"nobody"},{"field":"email","old":null,"new":"ana@acme.example","owner":"source"},{"field":"other_emails","old":null,"new":["a.oneil@acme.example"],"owner":"source"},{"field":"given_name","old":null,"new":"Ana","owner":"source"},{"field":"family_name","old":null,"new":"O''Neil \"Nell\"","owner":"source"},{"field":"title","old":null,"new":"CEO","owner":"source"},{"field":"phone","old":null,"new":"+12125551994","owner":"source"},{"field":"timezone","old":null,"new":"America/New_York","owner":"source"},{"field":"country","old":null,"new":"US","owner":"source"},{"field":"locale","old":null,"new":"en-US","owner":"source"},{"field":"assignment_id","old":null,"new":"sales","owner":"nobody"},{"field":"seats","old":null,"new":["core","engage"],"owner":"source"},{"field":"home","old":null,"new":"ws1","owner":"source"},{"field":"profiles","old":null,"new":{"ws1":"standard"},"owner":"source"},{"field":"capture","old":null,"new":["recording"],"owner":"source"}],"reasons":[{"code":"match.new"},{"code":"tz.from_zone","facts":{"timezone":"America/New_York"}},{"code":"assignment.first_match","facts":{"assignment":"Sales"}},{"code":"hierarchy.no_manager_key"},{"code":"hierarchy.manual_needed"}],"member":{"id":"f720ccb7-3a39-8e0d-82b6-2acd9e7f4313","connection":"okta-prod","external_id":"u1","managed":true,"active":true,"email":"ana@acme.example","other_emails":["a.oneil@acme.example"],"given_name":"Ana","family_name":"O''Neil \"Nell\"","title":"CEO","phone":"+12125551994","timezone":"America/New_York","country":"US","locale":"en-US","assignment_id":"sales","seats":["core","engage"],"home":"ws1","profiles":{"ws1":"standard"},"capture":["recording"],"owners":{"capture":"source","country":"source","email":"source","extra":"source","family_name":"source","given_name":"source","home":"source","locale":"source","other_emails":"source","phone":"source","profiles":"source","seats":"source","timezone":"source","title":"source"}}},{"kind":"create","key":"62e3b275b69b12b8ea641ff06fe96fbc","changes":[{"field":"connection","old":null,"new":"okta-prod","owner":"nobody"},{"field":"external_id","old":null,"new":"u2","owner":"nobody"},{"field":"managed","old":false,"new":true,"owner":"nobody"},{"field":"active","old":false,"new":true,"owner":"nobody"},{"field":"email","old":null,"new":"Bob@acme.example","owner":"source"},{"field":"given_name","old":null,"new":"Bob","owner":"source"},{"field":"family_name","old":null,"new":"日本","owner":"source"},{"field":"title","old":null,"new":"Seller","owner":"source"},{"field":"timezone","old":null,"new":"Europe/Berlin","owner":"source"},{"field":"locale","old":null,"new":"en-US","owner":"nobody"},{"field":"manager_id","old":null,"new":"f720ccb7-3a39-8e0d-82b6-2acd9e7f4313","owner":"source"},{"field":"assignment_id","old":null,"new":"sales","owner":"nobody"},{"field":"seats","old":null,"new":["core","engage"],"owner":"source"},{"field":"home","old":null,"new":"ws1","owner":"source"},{"field":"profiles","old":null,"new":{"ws1":"standard"},"owner":"source"},{"field":"capture","old":null,"new":["recording"],"owner":"source"}],"effects":[{"kind":"notify_manager","key":"62e3b275b69b12b8ea641ff06fe96fbc","to":"f720ccb7-3a39-8e0d-82b6-2acd9e7f4313","about":"5cc7c47f-bc03-8193-8377-3706dd477189"}],"reasons":[{"code":"match.new"},{"code":"tz.from_zone","facts":{"timezone":"Europe/Berlin"}},{"code":"assignment.first_match","facts":{"assignment":"Sales"}},{"code":"hierarchy.manager","facts":{"manager":"Ana O''Neil \"Nell\""}}],"member":{"id":"5cc7c47f-bc03-8193-8377-3706dd477189","connection":"okta-prod","external_id":"u2","managed":true,"active":true,"email":"Bob@acme.example","given_name":"Bob","family_name":"日本","title":"Seller","timezone":"Europe/Berlin","locale":"en-US","manager_id":"f720ccb7-3a39-8e0d-82b6-2acd9e7f4313","assignment_id":"sales","seats":["core","engage"],"home":"ws1","profiles":{"ws1":"standard"},"capture":["recording"],"owners":{"capture":"source","email":"source","extra":"source","family_name":"source","given_name":"source","home":"source","manager_id":"source","profiles":"source","seats":"source","timezone":"source","title":"source"}}}],"findings":[{"external_id":"u1","member_id":"f720ccb7-3a39-8e0d-82b6-2acd9e7f4313","email":"ana@acme.example","name":"Ana O''Neil \"Nell\"","reason":{"code":"hierarchy.no_manager_key"}}],"unchanged":0,"hash":"89afd843d89672e0f6bd6ca0ef41655be63b836a7ca7de186c6b74d509ded3d1"}
');
INSERT INTO usher_schema VALUES (1, 1);
INSERT INTO usher_tenants VALUES ('acme', 4);
INSERT INTO usher_tenants VALUES ('other', 1);
SELECT pg_catalog.setval('usher_audit_seq_seq', 3, true);
SELECT pg_catalog.setval('usher_effects_seq_seq', 1, true);
ALTER TABLE ONLY usher_audit
    ADD CONSTRAINT usher_audit_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY usher_effects
    ADD CONSTRAINT usher_effects_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY usher_keys
    ADD CONSTRAINT usher_keys_pkey PRIMARY KEY (tenant, action_key);
ALTER TABLE ONLY usher_locks
    ADD CONSTRAINT usher_locks_pkey PRIMARY KEY (tenant);
ALTER TABLE ONLY usher_members
    ADD CONSTRAINT usher_members_pkey PRIMARY KEY (tenant, id);
ALTER TABLE ONLY usher_plans
    ADD CONSTRAINT usher_plans_pkey PRIMARY KEY (tenant, hash);
ALTER TABLE ONLY usher_schema
    ADD CONSTRAINT usher_schema_pkey PRIMARY KEY (id);
ALTER TABLE ONLY usher_tenants
    ADD CONSTRAINT usher_tenants_pkey PRIMARY KEY (tenant);
CREATE INDEX usher_audit_tenant ON usher_audit USING btree (tenant, seq);
CREATE INDEX usher_effects_key ON usher_effects USING btree (tenant, action_key);
CREATE INDEX usher_effects_tenant ON usher_effects USING btree (tenant, seq);
CREATE INDEX usher_keys_member ON usher_keys USING btree (tenant, member_id);
CREATE UNIQUE INDEX usher_members_email ON usher_members USING btree (tenant, email_key);
CREATE UNIQUE INDEX usher_members_identity ON usher_members USING btree (tenant, connection, external_id) WHERE (managed AND (external_id <> ''::text));
ALTER TABLE ONLY usher_keys
    ADD CONSTRAINT usher_keys_tenant_member_id_fkey FOREIGN KEY (tenant, member_id) REFERENCES usher_members(tenant, id) ON DELETE CASCADE;
