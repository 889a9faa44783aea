-- a job database of format 4, as the version before left it
BEGIN TRANSACTION;
CREATE TABLE completions (
        place INTEGER PRIMARY KEY AUTOINCREMENT,
        prompt_id TEXT NOT NULL UNIQUE
    ) STRICT;
INSERT INTO "completions" VALUES(1,'done');
INSERT INTO "completions" VALUES(2,'failed');
INSERT INTO "completions" VALUES(3,'refused');
INSERT INTO "completions" VALUES(4,'unknown');
INSERT INTO "completions" VALUES(5,'bug');
INSERT INTO "completions" VALUES(6,'never');
INSERT INTO "completions" VALUES(7,'local');
CREATE TABLE documents (
        prompt_id TEXT PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
        view TEXT,
        entry TEXT,
        prompt TEXT NOT NULL,
        extra_data TEXT NOT NULL
    ) STRICT;
INSERT INTO "documents" VALUES('done','{"id": "done", "status": "completed", "priority": 0, "create_time": 1764115200000, "outputs_count": 0, "workflow_id": "w", "execution_start_time": 10, "execution_end_time": 30}','{"outputs": {"1": {"text": ["x"]}}, "status": {"status_str": "success", "completed": true, "messages": [["execution_start", {"timestamp": 10}], ["execution_success", {"timestamp": 30}]]}, "meta": {}}','{"1": {"class_type": "A", "inputs": {"seed": 18446744073709551615}}}','{"create_time": 1, "extra_pnginfo": {"workflow": {"id": "w"}}}');
INSERT INTO "documents" VALUES('failed','{"id": "failed", "status": "failed", "priority": 1, "create_time": 1764115200000, "outputs_count": 0, "workflow_id": "w", "execution_end_time": 1764115200040}','{"outputs": {}, "status": {"status_str": "error", "completed": false, "messages": []}, "meta": {}}','{"1": {"class_type": "A", "inputs": {"seed": 18446744073709551615}}}','{"create_time": 1, "extra_pnginfo": {"workflow": {"id": "w"}}}');
INSERT INTO "documents" VALUES('refused','{"id": "refused", "status": "failed", "priority": 2, "create_time": 1764115200000, "outputs_count": 0, "workflow_id": "w", "execution_end_time": 1764115200050}','{"outputs": {}, "status": {"status_str": "error", "completed": false, "messages": []}, "meta": {}}','{"1": {"class_type": "A", "inputs": {"seed": 18446744073709551615}}}','{"create_time": 1, "extra_pnginfo": {"workflow": {"id": "w"}}}');
INSERT INTO "documents" VALUES('unknown','{"id": "unknown", "status": "failed", "priority": 3, "create_time": 1764115200000, "outputs_count": 0, "workflow_id": "w", "execution_end_time": 1764115200050}','{"outputs": {}, "status": {"status_str": "error", "completed": false, "messages": []}, "meta": {}}','{"1": {"class_type": "A", "inputs": {"seed": 18446744073709551615}}}','{"create_time": 1, "extra_pnginfo": {"workflow": {"id": "w"}}}');
INSERT INTO "documents" VALUES('bug','{"id": "bug", "status": "failed", "priority": 4, "create_time": 1764115200000, "outputs_count": 0, "workflow_id": "w", "execution_end_time": 1764115200050}','{"outputs": {}, "status": {"status_str": "error", "completed": false, "messages": []}, "meta": {}}','{"1": {"class_type": "A", "inputs": {"seed": 18446744073709551615}}}','{"create_time": 1, "extra_pnginfo": {"workflow": {"id": "w"}}}');
INSERT INTO "documents" VALUES('never','{"id": "never", "status": "failed", "priority": 5, "create_time": 1764115200000, "outputs_count": 0, "workflow_id": "w", "execution_end_time": 1764115200050}','{"outputs": {}, "status": {"status_str": "error", "completed": false, "messages": []}, "meta": {}}','{"1": {"class_type": "A", "inputs": {"seed": 18446744073709551615}}}','{"create_time": 1, "extra_pnginfo": {"workflow": {"id": "w"}}}');
INSERT INTO "documents" VALUES('deleted','{"id": "deleted", "status": "cancelled", "priority": 6, "create_time": 1764115200000, "outputs_count": 0, "workflow_id": "w", "execution_end_time": 1764115200040}',NULL,'{"1": {"class_type": "A", "inputs": {"seed": 18446744073709551615}}}','{"create_time": 1, "extra_pnginfo": {"workflow": {"id": "w"}}}');
INSERT INTO "documents" VALUES('running',NULL,NULL,'{"1": {"class_type": "A", "inputs": {"seed": 18446744073709551615}}}','{"create_time": 1, "extra_pnginfo": {"workflow": {"id": "w"}}}');
INSERT INTO "documents" VALUES('waiting',NULL,NULL,'{"1": {"class_type": "A", "inputs": {"seed": 18446744073709551615}}}','{"create_time": 1, "extra_pnginfo": {"workflow": {"id": "w"}}}');
INSERT INTO "documents" VALUES('huge',NULL,NULL,'{"1": {"class_type": "A", "inputs": {"seed": 18446744073709551615}}}','{"create_time": 1, "extra_pnginfo": {"workflow": {"id": "w"}}}');
CREATE TABLE events (
        prompt_id TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (prompt_id, seq)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "events" VALUES('running',0,'{"seq": 0, "kind": "prompt_started", "timestamp": 1764115200000}');
INSERT INTO "events" VALUES('running',4,'{"seq": 4, "kind": "node_output", "node": "9", "output": {"images": [{"filename": "b_00002_.png", "subfolder": "", "type": "output"}]}, "files": []}');
CREATE TABLE files (
        prompt_id TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
        worker_item TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        local_item TEXT NOT NULL, gone INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (prompt_id, worker_item, sha256)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "files" VALUES('done','["output", "", "a_00001_.png"]','0000000000000000000000000000000000000000000000000000000000000000','["output", "", "a_00007_.png"]',0);
INSERT INTO "files" VALUES('running','["output", "", "b_00001_.png"]','1111111111111111111111111111111111111111111111111111111111111111','["output", "", "b_00002_.png"]',0);
CREATE TABLE jobs (
        prompt_id TEXT PRIMARY KEY,
        number REAL NOT NULL,
        state TEXT NOT NULL,
        outputs_to_execute TEXT NOT NULL,
        targets TEXT,
        client_id TEXT,
        created_ms INTEGER NOT NULL,
        endpoint_id TEXT,
        runpod_id TEXT,
        started_ms INTEGER,
        ended_ms INTEGER,
        delay_ms INTEGER,
        execution_ms INTEGER,
        cancel_requested INTEGER NOT NULL DEFAULT 0,
        error TEXT,
        hidden INTEGER NOT NULL DEFAULT 0,
        run TEXT NOT NULL DEFAULT '',
        run_started INTEGER NOT NULL DEFAULT 0,
        next_seq INTEGER NOT NULL DEFAULT 0
    , workflow_id TEXT, duration_ms REAL NOT NULL DEFAULT 0, completion INTEGER, returns INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "jobs" VALUES('done',0.0,'completed','["1"]',NULL,'c',1764115200000,'ep','done-u1',NULL,1764115200040,NULL,NULL,0,NULL,0,'',0,0,'w',20.0,1,0);
INSERT INTO "jobs" VALUES('failed',1.0,'failed','["1"]',NULL,'c',1764115200000,'ep','failed-u1',NULL,1764115200040,NULL,NULL,0,NULL,0,'',0,0,'w',0.0,2,0);
INSERT INTO "jobs" VALUES('refused',2.0,'failed','["1"]',NULL,'c',1764115200000,'ep','refused-u1',NULL,1764115200050,NULL,NULL,0,'RunPod refused the key (HTTP 401). Check RUNPOD_API_KEY.',0,'',0,0,'w',0.0,3,0);
INSERT INTO "jobs" VALUES('unknown',3.0,'failed','["1"]',NULL,'c',1764115200000,'ep','unknown-u1',NULL,1764115200050,NULL,NULL,0,'RunPod knows no such endpoint (HTTP 404). Check RUNPOD_ENDPOINT_ID and RUNPOD_API_KEY.',0,'',0,0,'w',0.0,4,0);
INSERT INTO "jobs" VALUES('bug',4.0,'failed','["1"]',NULL,'c',1764115200000,'ep','bug-u1',NULL,1764115200050,NULL,NULL,0,'The proxy itself failed: ''workers''',0,'',0,0,'w',0.0,5,0);
INSERT INTO "jobs" VALUES('never',5.0,'failed','["1"]',NULL,'c',1764115200000,NULL,NULL,NULL,1764115200050,NULL,NULL,0,'RunPod refused the key (HTTP 401). Check RUNPOD_API_KEY.',0,'',0,0,'w',0.0,6,0);
INSERT INTO "jobs" VALUES('deleted',6.0,'cancelled','["1"]',NULL,'c',1764115200000,NULL,NULL,NULL,1764115200040,NULL,NULL,0,NULL,1,'',0,0,'w',0.0,NULL,0);
INSERT INTO "jobs" VALUES('running',7.0,'running','["1"]',NULL,'c',1764115200000,'other','running-u1',1764115200005,NULL,NULL,NULL,0,NULL,0,'run1',7,5,'w',0.0,NULL,0);
INSERT INTO "jobs" VALUES('waiting',8.0,'pending','["1"]',NULL,'c',1764115200000,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,0,'',0,0,'w',0.0,NULL,0);
INSERT INTO "jobs" VALUES('huge',1.0e+308,'pending','["1"]',NULL,'c',1764115200000,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,0,'',0,0,'w',0.0,NULL,0);
CREATE TABLE kept_inputs (
        endpoint_id TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        PRIMARY KEY (endpoint_id, sha256)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "kept_inputs" VALUES('ep','2222222222222222222222222222222222222222222222222222222222222222');
CREATE INDEX jobs_by_state ON jobs (state, number);
CREATE INDEX files_by_content ON files (sha256);
CREATE INDEX jobs_by_size_of_number ON jobs (abs(number));
CREATE INDEX jobs_listed ON jobs (created_ms, state, workflow_id, prompt_id) WHERE hidden = 0;
CREATE INDEX jobs_completed ON jobs (completion, prompt_id) WHERE completion IS NOT NULL;
CREATE INDEX jobs_hidden ON jobs (ended_ms, prompt_id) WHERE hidden = 1;
CREATE INDEX files_in_temp ON files (prompt_id) WHERE local_item LIKE '["temp"%' AND NOT gone;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('completions',7);
COMMIT;
PRAGMA user_version = 4;
