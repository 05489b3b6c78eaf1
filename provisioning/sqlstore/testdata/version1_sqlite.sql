-- A database as the code before the second migration made it: its tables, and what applying two
-- plans and three edits by hand left in them. Written by that code and dumped.
CREATE TABLE usher_audit (
			seq          INTEGER PRIMARY KEY AUTOINCREMENT,
			tenant       TEXT NOT NULL,
			committed_at TEXT NOT NULL,
			action_key   TEXT NOT NULL,
			kind         TEXT NOT NULL,
			member_id    TEXT NOT NULL,
			email        TEXT NOT NULL,
			actor        TEXT NOT NULL,
			changes      TEXT NOT NULL,
			reasons      TEXT NOT NULL
		);
INSERT INTO "usher_audit" VALUES(1,'acme','2026-11-02T09:30:00.000000Z','0fb443fd8c66634720ef5cd2ba95cabc','create','f720ccb7-3a39-8e0d-82b6-2acd9e7f4313','ana@acme.example','schedule','[{"field":"connection","old":null,"new":"okta-prod","owner":"nobody"},{"field":"external_id","old":null,"new":"u1","owner":"nobody"},{"field":"managed","old":false,"new":true,"owner":"nobody"},{"field":"active","old":false,"new":true,"owner":"nobody"},{"field":"email","old":null,"new":"ana@acme.example","owner":"source"},{"field":"other_emails","old":null,"new":["a.oneil@acme.example"],"owner":"source"},{"field":"given_name","old":null,"new":"Ana","owner":"source"},{"field":"family_name","old":null,"new":"O''Neil \"Nell\"","owner":"source"},{"field":"title","old":null,"new":"CEO","owner":"source"},{"field":"phone","old":null,"new":"+12125551994","owner":"source"},{"field":"timezone","old":null,"new":"America/New_York","owner":"source"},{"field":"country","old":null,"new":"US","owner":"source"},{"field":"locale","old":null,"new":"en-US","owner":"source"},{"field":"assignment_id","old":null,"new":"sales","owner":"nobody"},{"field":"seats","old":null,"new":["core","engage"],"owner":"source"},{"field":"home","old":null,"new":"ws1","owner":"source"},{"field":"profiles","old":null,"new":{"ws1":"standard"},"owner":"source"},{"field":"capture","old":null,"new":["recording"],"owner":"source"}]','[{"code":"match.new"},{"code":"tz.from_zone","facts":{"timezone":"America/New_York"}},{"code":"assignment.first_match","facts":{"assignment":"Sales"}},{"code":"hierarchy.no_manager_key"},{"code":"hierarchy.manual_needed"}]');
INSERT INTO "usher_audit" VALUES(2,'acme','2026-11-02T09:30:00.000000Z','62e3b275b69b12b8ea641ff06fe96fbc','create','5cc7c47f-bc03-8193-8377-3706dd477189','Bob@acme.example','schedule','[{"field":"connection","old":null,"new":"okta-prod","owner":"nobody"},{"field":"external_id","old":null,"new":"u2","owner":"nobody"},{"field":"managed","old":false,"new":true,"owner":"nobody"},{"field":"active","old":false,"new":true,"owner":"nobody"},{"field":"email","old":null,"new":"Bob@acme.example","owner":"source"},{"field":"given_name","old":null,"new":"Bob","owner":"source"},{"field":"family_name","old":null,"new":"日本","owner":"source"},{"field":"title","old":null,"new":"Seller","owner":"source"},{"field":"timezone","old":null,"new":"Europe/Berlin","owner":"source"},{"field":"locale","old":null,"new":"en-US","owner":"nobody"},{"field":"manager_id","old":null,"new":"f720ccb7-3a39-8e0d-82b6-2acd9e7f4313","owner":"source"},{"field":"assignment_id","old":null,"new":"sales","owner":"nobody"},{"field":"seats","old":null,"new":["core","engage"],"owner":"source"},{"field":"home","old":null,"new":"ws1","owner":"source"},{"field":"profiles","old":null,"new":{"ws1":"standard"},"owner":"source"},{"field":"capture","old":null,"new":["recording"],"owner":"source"}]','[{"code":"match.new"},{"code":"tz.from_zone","facts":{"timezone":"Europe/Berlin"}},{"code":"assignment.first_match","facts":{"assignment":"Sales"}},{"code":"hierarchy.manager","facts":{"manager":"Ana O''Neil \"Nell\""}}]');
INSERT INTO "usher_audit" VALUES(3,'acme','2026-11-02T09:30:00.000000Z','717933854bfe80e29a095f64e42bc82c','update','5cc7c47f-bc03-8193-8377-3706dd477189','Bob@acme.example','schedule','[{"field":"title","old":"Seller","new":"Senior Seller","owner":"source"}]','[{"code":"source.value","facts":{"fields":"title"}}]');
CREATE TABLE usher_effects (
			seq        INTEGER PRIMARY KEY AUTOINCREMENT,
			tenant     TEXT NOT NULL,
			kind       TEXT NOT NULL,
			action_key TEXT NOT NULL,
			to_id      TEXT NOT NULL,
			about_id   TEXT NOT NULL
		);
INSERT INTO "usher_effects" VALUES(1,'acme','notify_manager','62e3b275b69b12b8ea641ff06fe96fbc','f720ccb7-3a39-8e0d-82b6-2acd9e7f4313','5cc7c47f-bc03-8193-8377-3706dd477189');
CREATE TABLE usher_keys (
			tenant     TEXT NOT NULL,
			action_key TEXT NOT NULL,
			member_id  TEXT NOT NULL,
			PRIMARY KEY (tenant, action_key),
			FOREIGN KEY (tenant, member_id) REFERENCES usher_members (tenant, id) ON DELETE CASCADE
		);
INSERT INTO "usher_keys" VALUES('acme','0fb443fd8c66634720ef5cd2ba95cabc','f720ccb7-3a39-8e0d-82b6-2acd9e7f4313');
INSERT INTO "usher_keys" VALUES('acme','62e3b275b69b12b8ea641ff06fe96fbc','5cc7c47f-bc03-8193-8377-3706dd477189');
INSERT INTO "usher_keys" VALUES('acme','717933854bfe80e29a095f64e42bc82c','5cc7c47f-bc03-8193-8377-3706dd477189');
CREATE TABLE usher_locks (
			tenant     TEXT NOT NULL PRIMARY KEY,
			owner      TEXT NOT NULL,
			expires_ms BIGINT NOT NULL
		);
CREATE TABLE usher_members (
			tenant          TEXT NOT NULL,
			id              TEXT NOT NULL,
			revision        BIGINT NOT NULL,
			protected       BOOLEAN NOT NULL DEFAULT FALSE,
			connection      TEXT NOT NULL,
			external_id     TEXT NOT NULL,
			managed         BOOLEAN NOT NULL,
			active          BOOLEAN NOT NULL,
			email           TEXT NOT NULL,
			email_key       TEXT,
			other_emails    TEXT,
			private_email   TEXT NOT NULL,
			given_name      TEXT NOT NULL,
			family_name     TEXT NOT NULL,
			title           TEXT NOT NULL,
			phone           TEXT NOT NULL,
			mobile_phone    TEXT NOT NULL,
			phone_extension TEXT NOT NULL,
			timezone        TEXT NOT NULL,
			country         TEXT NOT NULL,
			state           TEXT NOT NULL,
			locale          TEXT NOT NULL,
			manager_id      TEXT NOT NULL,
			assignment_id   TEXT NOT NULL,
			seats           TEXT,
			home            TEXT NOT NULL,
			profiles        TEXT,
			capture         TEXT,
			extra           TEXT,
			owners          TEXT,
			PRIMARY KEY (tenant, id)
		);
INSERT INTO "usher_members" VALUES('acme','f720ccb7-3a39-8e0d-82b6-2acd9e7f4313',1,0,'okta-prod','u1',1,1,'ana@acme.example','ana@acme.example','["a.oneil@acme.example"]','','Ana','O''Neil "Nell"','CEO','+12125551994','','','America/New_York','US','','en-US','','sales','["core","engage"]','ws1','{"ws1":"standard"}','["recording"]',NULL,'{"capture":"source","country":"source","email":"source","extra":"source","family_name":"source","given_name":"source","home":"source","locale":"source","other_emails":"source","phone":"source","profiles":"source","seats":"source","timezone":"source","title":"source"}');
INSERT INTO "usher_members" VALUES('acme','5cc7c47f-bc03-8193-8377-3706dd477189',3,0,'okta-prod','u2',1,1,'Bob@acme.example','bob@acme.example',NULL,'','Bob','日本','Senior Seller','','','','Europe/Berlin','','','en-US','f720ccb7-3a39-8e0d-82b6-2acd9e7f4313','sales','["core","engage"]','ws1','{"ws1":"standard"}','["recording"]',NULL,'{"capture":"source","email":"source","extra":"source","family_name":"source","given_name":"source","home":"source","manager_id":"source","profiles":"source","seats":"source","timezone":"source","title":"source"}');
INSERT INTO "usher_members" VALUES('acme','hand-1',4,1,'','',0,1,'carl@acme.example','carl@acme.example',NULL,'','Carl','','','','','','','','','','','',NULL,'',NULL,NULL,'{"beta":true,"limit":2.5,"team":"north"}',NULL);
INSERT INTO "usher_members" VALUES('other','hand-1',1,0,'','',0,1,'carl@acme.example','carl@acme.example',NULL,'','Carl','','','','','','','','','','','',NULL,'',NULL,NULL,NULL,NULL);
CREATE TABLE usher_plans (
			tenant   TEXT NOT NULL,
			hash     TEXT NOT NULL,
			saved_at TEXT NOT NULL,
			plan     TEXT NOT NULL,
			PRIMARY KEY (tenant, hash)
		);
INSERT INTO "usher_plans" VALUES('acme','89afd843d89672e0f6bd6ca0ef41655be63b836a7ca7de186c6b74d509ded3d1','2026-11-02T09:30:00.000000Z','{"format":1,"source":"okta","connection":"okta-prod","actions":[{"kind":"create","key":"0fb443fd8c66634720ef5cd2ba95cabc","changes":[{"field":"connection","old":null,"new":"okta-prod","owner":"nobody"},{"field":"external_id","old":null,"new":"u1","owner":"nobody"},{"field":"managed","old":false,"new":true,"owner":"nobody"},{"field":"active","old":false,"new":true,"owner":"nobody"},{"field":"email","old":null,"new":"ana@acme.example","owner":"source"},{"field":"other_emails","old":null,"new":["a.oneil@acme.example"],"owner":"source"},{"field":"given_name","old":null,"new":"Ana","owner":"source"},{"field":"family_name","old":null,"new":"O''Neil \"Nell\"","owner":"source"},{"field":"title","old":null,"new":"CEO","owner":"source"},{"field":"phone","old":null,"new":"+12125551994","owner":"source"},{"field":"timezone","old":null,"new":"America/New_York","owner":"source"},{"field":"country","old":null,"new":"US","owner":"source"},{"field":"locale","old":null,"new":"en-US","owner":"source"},{"field":"assignment_id","old":null,"new":"sales","owner":"nobody"},{"field":"seats","old":null,"new":["core","engage"],"owner":"source"},{"field":"home","old":null,"new":"ws1","owner":"source"},{"field":"profiles","old":null,"new":{"ws1":"standard"},"owner":"source"},{"field":"capture","old":null,"new":["recording"],"owner":"source"}],"reasons":[{"code":"match.new"},{"code":"tz.from_zone","facts":{"timezone":"America/New_York"}},{"code":"assignment.first_match","facts":{"assignment":"Sales"}},{"code":"hierarchy.no_manager_key"},{"code":"hierarchy.manual_needed"}],"member":{"id":"f720ccb7-3a39-8e0d-82b6-2acd9e7f4313","connection":"okta-prod","external_id":"u1","managed":true,"active":true,"email":"ana@acme.example","other_emails":["a.oneil@acme.example"],"given_name":"Ana","family_name":"O''Neil \"Nell\"","title":"CEO","phone":"+12125551994","timezone":"America/New_York","country":"US","locale":"en-US","assignment_id":"sales","seats":["core","engage"],"home":"ws1","profiles":{"ws1":"standard"},"capture":["recording"],"owners":{"capture":"source","country":"source","email":"source","extra":"source","family_name":"source","given_name":"source","home":"source","locale":"source","other_emails":"source","phone":"source","profiles":"source","seats":"source","timezone":"source","title":"source"}}},{"kind":"create","key":"62e3b275b69b12b8ea641ff06fe96fbc","changes":[{"field":"connection","old":null,"new":"okta-prod","owner":"nobody"},{"field":"external_id","old":null,"new":"u2","owner":"nobody"},{"field":"managed","old":false,"new":true,"owner":"nobody"},{"field":"active","old":false,"new":true,"owner":"nobody"},{"field":"email","old":null,"new":"Bob@acme.example","owner":"source"},{"field":"given_name","old":null,"new":"Bob","owner":"source"},{"field":"family_name","old":null,"new":"日本","owner":"source"},{"field":"title","old":null,"new":"Seller","owner":"source"},{"field":"timezone","old":null,"new":"Europe/Berlin","owner":"source"},{"field":"locale","old":null,"new":"en-US","owner":"nobody"},{"field":"manager_id","old":null,"new":"f720ccb7-3a39-8e0d-82b6-2acd9e7f4313","owner":"source"},{"field":"assignment_id","old":null,"new":"sales","owner":"nobody"},{"field":"seats","old":null,"new":["core","engage"],"owner":"source"},{"field":"home","old":null,"new":"ws1","owner":"source"},{"field":"profiles","old":null,"new":{"ws1":"standard"},"owner":"source"},{"field":"capture","old":null,"new":["recording"],"owner":"source"}],"effects":[{"kind":"notify_manager","key":"62e3b275b69b12b8ea641ff06fe96fbc","to":"f720ccb7-3a39-8e0d-82b6-2acd9e7f4313","about":"5cc7c47f-bc03-8193-8377-3706dd477189"}],"reasons":[{"code":"match.new"},{"code":"tz.from_zone","facts":{"timezone":"Europe/Berlin"}},{"code":"assignment.first_match","facts":{"assignment":"Sales"}},{"code":"hierarchy.manager","facts":{"manager":"Ana O''Neil \"Nell\""}}],"member":{"id":"5cc7c47f-bc03-8193-8377-3706dd477189","connection":"okta-prod","external_id":"u2","managed":true,"active":true,"email":"Bob@acme.example","given_name":"Bob","family_name":"日本","title":"Seller","timezone":"Europe/Berlin","locale":"en-US","manager_id":"f720ccb7-3a39-8e0d-82b6-2acd9e7f4313","assignment_id":"sales","seats":["core","engage"],"home":"ws1","profiles":{"ws1":"standard"},"capture":["recording"],"owners":{"capture":"source","email":"source","extra":"source","family_name":"source","given_name":"source","home":"source","manager_id":"source","profiles":"source","seats":"source","timezone":"source","title":"source"}}}],"findings":[{"external_id":"u1","member_id":"f720ccb7-3a39-8e0d-82b6-2acd9e7f4313","email":"ana@acme.example","name":"Ana O''Neil \"Nell\"","reason":{"code":"hierarchy.no_manager_key"}}],"unchanged":0,"hash":"89afd843d89672e0f6bd6ca0ef41655be63b836a7ca7de186c6b74d509ded3d1"}
');
CREATE TABLE usher_schema (id INTEGER NOT NULL PRIMARY KEY, version INTEGER NOT NULL);
INSERT INTO "usher_schema" VALUES(1,1);
CREATE TABLE usher_tenants (
			tenant   TEXT NOT NULL PRIMARY KEY,
			revision BIGINT NOT NULL
		);
INSERT INTO "usher_tenants" VALUES('acme',4);
INSERT INTO "usher_tenants" VALUES('other',1);
CREATE UNIQUE INDEX usher_members_email ON usher_members (tenant, email_key);
CREATE UNIQUE INDEX usher_members_identity ON usher_members (tenant, connection, external_id)
			WHERE managed AND external_id <> '';
CREATE INDEX usher_keys_member ON usher_keys (tenant, member_id);
CREATE INDEX usher_effects_tenant ON usher_effects (tenant, seq);
CREATE INDEX usher_effects_key ON usher_effects (tenant, action_key);
CREATE INDEX usher_audit_tenant ON usher_audit (tenant, seq);
