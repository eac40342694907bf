//! The names of all series and what they mean; GenAI names of OpenTelemetry where it has one.

pub(super) const REQUESTS: &str = "testudo_requests_total";
pub(super) const FINDINGS: &str = "testudo_findings_total";
pub(super) const ALLOWED: &str = "testudo_allowed_values_total";
pub(super) const CALLS: &str = "testudo_tool_calls_total";
pub(super) const GUARD_GAPS: &str = "testudo_guard_gaps_total";
pub(super) const REFUSALS: &str = "testudo_refusals_total";
pub(super) const TOKENS: &str = "testudo_tokens_total";
pub(super) const MODEL_TEXTS: &str = "testudo_model_texts_total";
pub(super) const MODEL_WINDOWS: &str = "testudo_model_windows_total";
pub(super) const MODEL_MOVES: &str = "testudo_model_moves_total";
pub(super) const MODEL_ALARM: &str = "testudo_model_alarm";
pub(super) const MLFLOW: &str = "testudo_mlflow_requests_total";
pub(super) const MLFLOW_BYTES: &str = "testudo_mlflow_bytes_total";
pub(super) const RELOADS_REFUSED: &str = "testudo_reloads_refused_total";

pub(super) const LEDGER_ENTRIES: &str = "testudo_ledger_entries_total";
pub(super) const LEDGER_ERRORS: &str = "testudo_ledger_errors_total";
pub(super) const LEDGER_GAPS: &str = "testudo_ledger_gaps_total";

pub(super) const LEDGER_QUEUE: &str = "testudo_ledger_queue";
pub(super) const LEDGER_TREE_SIZE: &str = "testudo_ledger_tree_size";
pub(super) const LEDGER_CHECKPOINT_AGE: &str = "testudo_ledger_checkpoint_age_seconds";
pub(super) const LEDGER_WITNESSED_AGE: &str = "testudo_ledger_witnessed_age_seconds";
pub(super) const LEDGER_WRITABLE: &str = "testudo_ledger_writable";
pub(super) const IN_FLIGHT: &str = "testudo_requests_in_flight";
pub(super) const CONNECTIONS: &str = "testudo_connections";
pub(super) const HELD_BYTES: &str = "testudo_held_bytes";

pub(super) const DURATION: &str = "gen_ai_client_operation_duration_seconds";
pub(super) const FIRST_CHUNK: &str = "gen_ai_client_operation_time_to_first_chunk_seconds";
pub(super) const ENCODER: &str = "testudo_encoder_duration_seconds";
pub(super) const GUARD: &str = "testudo_guard_duration_seconds";

pub(super) const COUNTERS: &[(&str, &str)] = &[
    (REQUESTS, "Exchanges by route, operation and outcome"),
    (FINDINGS, "What detectors saw and what was done about it"),
    (ALLOWED, "Values that rules found and an allow-list let pass"),
    (
        CALLS,
        "Calls of tools that answers asked for, by what was decided and why",
    ),
    (GUARD_GAPS, "Text that a guard did not scan, and why"),
    (
        REFUSALS,
        "Exchanges that did not reach their end, and why: key, limit, or class of upstream error",
    ),
    (
        MODEL_TEXTS,
        "Texts for the trained models: `scored` anew, or their verdict `remembered`",
    ),
    (
        MODEL_WINDOWS,
        "Windows of text that a trained model scored, by tier, or whose score was `remembered`",
    ),
    (
        MODEL_MOVES,
        "How often a route that follows a model went to another version or upstream",
    ),
    (
        MLFLOW,
        "Questions of MLflow clients, by what was asked and `answered` or the error code",
    ),
    (MLFLOW_BYTES, "Bytes of files given to MLflow clients"),
    (TOKENS, "Tokens as model services counted them"),
    (
        RELOADS_REFUSED,
        "Configurations that were not sound and did not replace the running one",
    ),
    (LEDGER_ENTRIES, "Entries in the ledger's tree since the start, by type"),
    (
        LEDGER_ERRORS,
        "Entries that did not reach the level that their route asks for",
    ),
    (
        LEDGER_GAPS,
        "Exchanges without an entry of their own: `lost` could not be written, `flood` had no valid key and were too many",
    ),
];

pub(super) const GAUGES: &[(&str, &str)] = &[
    (IN_FLIGHT, "Exchanges that are running"),
    (CONNECTIONS, "Client connections that are open"),
    (HELD_BYTES, "Bytes of responses that guards hold back"),
    (
        MODEL_ALARM,
        "Whether something is wrong with a followed model, as 1 or 0: by kind, and by artifact, route or upstream",
    ),
    (LEDGER_QUEUE, "Places taken in the ledger's queue"),
    (LEDGER_TREE_SIZE, "Entries under the newest checkpoint"),
    (LEDGER_CHECKPOINT_AGE, "Since the newest checkpoint"),
    (
        LEDGER_WITNESSED_AGE,
        "Since the newest checkpoint that enough witnesses signed",
    ),
    (LEDGER_WRITABLE, "Whether the ledger can be written, as 1 or 0"),
];

pub(super) const HISTOGRAMS: &[(&str, &str)] = &[
    (DURATION, "From the request's head to the response's last byte"),
    (
        FIRST_CHUNK,
        "From the request's head to the first byte given to the client, streamed responses only",
    ),
    (ENCODER, "Time spent in the encoder for one exchange that needed it"),
    (GUARD, "Time spent in guards for one exchange"),
];
