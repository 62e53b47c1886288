-- SPDX-License-Identifier: GPL-3.0-or-later
-- A database as revision 0003 left it: its tables as they landed, and a little of everything in them.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0003');
CREATE TABLE arrangements (
	id INTEGER NOT NULL, 
	cluster VARCHAR(255) NOT NULL, 
	subject VARCHAR(255) NOT NULL, 
	at DATETIME NOT NULL, 
	acts BOOLEAN NOT NULL, 
	document JSON NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "arrangements" VALUES(1,'shop','anchor db','2026-03-01 12:00:00.123456',1,'{"reasons": ["because"], "evidence": [], "dependents": ["api"], "node": "n2", "labelled": ["n1"]}');
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
CREATE TABLE inputs (
	cluster VARCHAR(255) NOT NULL, 
	at DATETIME NOT NULL, 
	acts BOOLEAN NOT NULL, 
	size BIGINT NOT NULL, 
	document BLOB NOT NULL, 
	PRIMARY KEY (cluster, at)
);
INSERT INTO "inputs" VALUES('shop','2026-03-01 11:59:45.123456',0,282,X'789CA551C16E83300CFD975CD7A2404BA5F11DBB4DD3648281A821464E28AAAAFDFB12082DC7493BC5CFCFF6B35F1E42DB71F24E540F71D338C75799C979645109D7D3280E027C880B595C8EF27494F9479E57E57B752EB3BC389DCBCB9B949594A1CE528361D2E7D74138E49B561BF2E0AE1B01C368B67C6CF89E1C06D59FB5EA8568F286686B1B99EAD815991EC1F83EC6018C64B4BAAFC48003718C77F2313F4298BA934C69B0AA274EA066842B6EA845FBEC066D06B48B4551D0D2FC1737A2AC01FB2F3F41794D362DDEA0D2EE0581196C8771B3A8D19231346BDBAD6C0D41FB69BFF3704FC7303A35E1629107DB8486545373387F0D5BBD271855B066B788226E12489F916497EF60EA1886709FCCF22CD8F00B931AC03F');
INSERT INTO "inputs" VALUES('shop','2026-03-01 12:00:00.123456',0,279,X'789CA551C16AC3300CFD175FD79634DD7AC877EC36CA501C2531752C233B0DA5ECDF27274E9BE36060B09EA4E7273D3F94717E8C41550F753338A55BDB31446455A9D093573B0551E2B228CFFBE2B42F8E9FC7B22A0A398763797AFF38BFCD40FA1C35282F7D5D762A20DF8C5E5184705D0B3078BBE613E17B0C28AA3F4BD70BD1182DD14AF34C7562A54A8F60639F62019EACD1F7A530E0409CE28D7CCA7B90573792390D4EF7C419D48C70C515B5E89E6C307640375B94041D4D7F7123C95A70FFF2137434E4F2E00D6A135E1098C17598264B1A2D594B9371DD52AD41B49FF68708F7BC0C63D023CE1645708D10724FCDB2FE12B6665B60D462CD66104DDC64903F23CBCEDFC1D4310CB29F6C73101B7E01391DBFFD');
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
	version BIGINT, token BIGINT, 
	PRIMARY KEY (id)
);
INSERT INTO "journal" VALUES('a1','shop','scale','web','{"swarmherd_replicas": 4}','{"swarmherd_replicas": 2}','because','[{"metric": "cpu", "value": 91.5, "at": "2026-03-01T12:00:00.123456+00:00", "source": "q", "problem": "", "target": "target 70", "wish": 4}]','done','4 replicas run','host:1','2026-03-01 12:00:00.123456','2026-03-01 12:00:00.123456','2026-03-01 12:00:09.123456','2026-03-01 12:00:08.123456',12,NULL);
INSERT INTO "journal" VALUES('a2','shop','scale','web','{"swarmherd_replicas": 4}','{"swarmherd_replicas": 2}','because','[{"metric": "cpu", "value": 91.5, "at": "2026-03-01T12:00:00.123456+00:00", "source": "q", "problem": "", "target": "target 70", "wish": 4}]','started','','host:1','2026-03-01 12:01:00.123456','2026-03-01 12:01:00.123456',NULL,NULL,NULL,NULL);
CREATE TABLE leases (
	cluster VARCHAR(255) NOT NULL, 
	holder VARCHAR(255) NOT NULL, 
	token BIGINT NOT NULL, 
	beat BIGINT NOT NULL, 
	ttl_seconds FLOAT NOT NULL, 
	since DATETIME NOT NULL, 
	PRIMARY KEY (cluster)
);
INSERT INTO "leases" VALUES('shop','host:1:x',3,9,10.0,'2026-03-01 12:00:00.123456');
CREATE TABLE pauses (
	cluster VARCHAR(255) NOT NULL, 
	service VARCHAR(255) NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	who TEXT NOT NULL, 
	why TEXT NOT NULL, 
	at DATETIME NOT NULL, until DATETIME, 
	PRIMARY KEY (cluster, service, direction)
);
INSERT INTO "pauses" VALUES('shop','web','down','ana','release','2026-03-01 12:00:00.123456',NULL);
INSERT INTO "pauses" VALUES('shop','','none','bo','night','2026-03-01 12:00:00.123456',NULL);
CREATE TABLE remembered (
	cluster VARCHAR(255) NOT NULL, 
	part VARCHAR(64) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	document JSON NOT NULL, 
	PRIMARY KEY (cluster, part, name)
);
INSERT INTO "remembered" VALUES('shop','services','web','{"last_up_at": "2026-03-01T12:00:00.123456+00:00", "last_down_at": null, "last_version": 12, "last_failure_at": "2026-03-01T12:00:00.123456+00:00", "failures": 1, "blind_cycles": 2, "good_cycles": 3, "recommendations": [{"at": "2026-03-01T12:00:00.123456+00:00", "replicas": 3}], "moves": ["2026-03-01T12:00:00.123456+00:00"]}');
INSERT INTO "remembered" VALUES('shop','services','db','{"last_up_at": null, "last_down_at": null, "last_version": null, "last_failure_at": null, "failures": 0, "blind_cycles": 0, "good_cycles": 0, "recommendations": [], "moves": []}');
INSERT INTO "remembered" VALUES('shop','nodes','n1','{"takes_work_since": "2026-03-01T12:00:00.123456+00:00", "returned": true}');
INSERT INTO "remembered" VALUES('shop','nodes','n2','{"takes_work_since": null, "returned": false}');
CREATE INDEX journal_by_time ON journal (cluster, started_at);
CREATE INDEX decisions_by_service ON decisions (cluster, service, id);
CREATE INDEX cycles_by_time ON cycles (cluster, id);
CREATE INDEX arrangements_by_subject ON arrangements (cluster, subject, id);
COMMIT;
