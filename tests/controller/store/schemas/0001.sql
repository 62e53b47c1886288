-- SPDX-License-Identifier: GPL-3.0-or-later
-- A database as revision 0001 left it: its tables as they landed, and a little of everything in them.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE cycles (
	id INTEGER NOT NULL, 
	cluster VARCHAR(255) NOT NULL, 
	at DATETIME NOT NULL, 
	sentence TEXT NOT NULL, 
	failed BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "cycles" VALUES(1,'shop','2026-03-01 12:00:00.123456','web 2 -> 4 done',0);
CREATE TABLE decisions (
	id INTEGER NOT NULL, 
	cluster VARCHAR(255) NOT NULL, 
	service VARCHAR(255) NOT NULL, 
	at DATETIME NOT NULL, 
	replicas_now INTEGER, 
	replicas_then INTEGER, 
	wish INTEGER, 
	blind BOOLEAN NOT NULL, 
	version BIGINT, 
	reasons JSON NOT NULL, 
	evidence JSON NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "decisions" VALUES(1,'shop','web','2026-03-01 12:00:00.123456',2,4,4,0,9,'["one", "two"]','[{"metric": "cpu", "value": 91.5, "at": "2026-03-01T12:00:00.123456+00:00", "source": "q", "problem": "", "target": "target 70", "wish": 4}]');
CREATE TABLE journal (
	id VARCHAR(64) NOT NULL, 
	cluster VARCHAR(255) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	service VARCHAR(255) NOT NULL, 
	parameters JSON NOT NULL, 
	undo JSON NOT NULL, 
	reason TEXT NOT NULL, 
	evidence JSON NOT NULL, 
	outcome VARCHAR(16) NOT NULL, 
	detail TEXT NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	decided_at DATETIME NOT NULL, 
	started_at DATETIME NOT NULL, 
	finished_at DATETIME, 
	running_at DATETIME, 
	version BIGINT, 
	PRIMARY KEY (id)
);
INSERT INTO "journal" VALUES('a1','shop','scale','web','{"swarmherd_replicas": 4}','{"swarmherd_replicas": 2}','because','[{"metric": "cpu", "value": 91.5, "at": "2026-03-01T12:00:00.123456+00:00", "source": "q", "problem": "", "target": "target 70", "wish": 4}]','done','4 replicas run','host:1','2026-03-01 12:00:00.123456','2026-03-01 12:00:00.123456','2026-03-01 12:00:09.123456','2026-03-01 12:00:08.123456',12);
INSERT INTO "journal" VALUES('a2','shop','scale','web','{"swarmherd_replicas": 4}','{"swarmherd_replicas": 2}','because','[{"metric": "cpu", "value": 91.5, "at": "2026-03-01T12:00:00.123456+00:00", "source": "q", "problem": "", "target": "target 70", "wish": 4}]','started','','host:1','2026-03-01 12:01:00.123456','2026-03-01 12:01:00.123456',NULL,NULL,NULL);
CREATE TABLE memory (
	cluster VARCHAR(255) NOT NULL, 
	service VARCHAR(255) NOT NULL, 
	last_up_at DATETIME, 
	last_down_at DATETIME, 
	last_version BIGINT, 
	last_failure_at DATETIME, 
	failures INTEGER NOT NULL, 
	blind_cycles INTEGER NOT NULL, 
	good_cycles INTEGER NOT NULL, 
	recommendations JSON NOT NULL, 
	PRIMARY KEY (cluster, service)
);
INSERT INTO "memory" VALUES('shop','web','2026-03-01 12:00:00.123456',NULL,12,'2026-03-01 12:00:00.123456',1,2,3,'[{"at": "2026-03-01T12:00:00.123456+00:00", "replicas": 3}]');
INSERT INTO "memory" VALUES('shop','db',NULL,NULL,NULL,NULL,0,0,0,'[]');
CREATE TABLE pauses (
	cluster VARCHAR(255) NOT NULL, 
	service VARCHAR(255) NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	who TEXT NOT NULL, 
	why TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	PRIMARY KEY (cluster, service, direction)
);
INSERT INTO "pauses" VALUES('shop','web','down','ana','release','2026-03-01 12:00:00.123456');
INSERT INTO "pauses" VALUES('shop','','none','bo','night','2026-03-01 12:00:00.123456');
CREATE INDEX journal_by_time ON journal (cluster, started_at);
CREATE INDEX decisions_by_service ON decisions (cluster, service, id);
CREATE INDEX cycles_by_time ON cycles (cluster, id);
COMMIT;
