# bash completion for bascule; made by `bascule inspect completion`
# shellcheck shell=bash

_bascule()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
    local command="" words="" i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -c | --config) i=$((i + 1)) ;;
        -*) ;;
        *)
            command=${COMP_WORDS[i]}
            break
            ;;
        esac
    done
    case $before in
    --until) words="caught-up" ;;
    --format) words="markdown json scdoc yaml bash mermaid promela text" ;;
    --mode) words="full-load cdc full-load-and-cdc" ;;
    --plugin) words="auto wal2json pgoutput" ;;
    --ddl) words="refuse apply" ;;
    --source-sslmode) words="disable allow prefer require verify-ca verify-full" ;;
    --target-sslmode) words="disable allow prefer require verify-ca verify-full" ;;
    --target-prepare) words="create truncate nothing" ;;
    --load-binary) words="true false" ;;
    --load-analyze) words="true false" ;;
    --cutover-verify | --verify) words="auto full keys count" ;;
    --cutover-reverse | --reverse) words="auto required off" ;;
    --log-level) words="error warn info debug trace" ;;
    --log-format) words="text json" ;;
    -c | --config | \
        --work-dir | \
        --source-passfile | \
        --source-sslrootcert | \
        --source-sslcert | \
        --source-sslkey | \
        --target-passfile | \
        --target-sslrootcert | \
        --target-sslcert | \
        --target-sslkey | \
        --stream-spill-dir | \
        --keys-dir | \
        --control-socket)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        compopt -o filenames 2>/dev/null
        return
        ;;
    esac
    if [[ -z $words ]]; then
        case $command in
        "" | help) words="check config plan run status stop verify repair cutover abort rollback complete cleanup audit help version --config --help --version" ;;
        check) words="--config --help --json --task --work-dir --mode --plugin --source-dsn --source-host --source-port --source-database --source-user --source-passfile --source-service --source-sslmode --source-sslrootcert --source-sslcert --source-sslkey --source-connect-timeout --target-dsn --target-host --target-port --target-database --target-user --target-passfile --target-service --target-sslmode --target-sslrootcert --target-sslcert --target-sslkey --target-connect-timeout --target-prepare --slot-name --slot-create-timeout --publication-name --cdc-start-lsn --tables-include --tables-exclude --load-jobs --load-chunk-size --load-binary --load-analyze --control-socket --log-level --log-format" ;;
        config) words="--config --help --json --task --work-dir --mode --plugin --ddl --source-dsn --source-host --source-port --source-database --source-user --source-passfile --source-service --source-sslmode --source-sslrootcert --source-sslcert --source-sslkey --source-connect-timeout --target-dsn --target-host --target-port --target-database --target-user --target-passfile --target-service --target-sslmode --target-sslrootcert --target-sslcert --target-sslkey --target-connect-timeout --target-prepare --slot-name --slot-create-timeout --publication-name --cdc-start-lsn --tables-include --tables-exclude --load-jobs --load-chunk-size --load-binary --load-analyze --stream-memory --stream-spill-dir --stream-spill-limit --stream-batch-size --stream-batch-changes --stream-status-interval --keys-dir --keys-memory --keys-disk-limit --keys-recheck-interval --keys-recheck-rate --max-downtime --cutover-max-downtime --max-lag --cutover-max-lag --cutover-max-lag-size --cutover-lock-timeout --cutover-lock-tries --cutover-terminate-after --cutover-max-waiting --within --cutover-at-window --cutover-sequence-margin --verify --cutover-verify --reverse --cutover-reverse --cutover-refresh-timeout --cutover-jobs --hooks-commands --control-socket --log-level --log-format" ;;
        plan) words="--config --help --json --task --work-dir --mode --plugin --source-dsn --source-host --source-port --source-database --source-user --source-passfile --source-service --source-sslmode --source-sslrootcert --source-sslcert --source-sslkey --source-connect-timeout --target-dsn --target-host --target-port --target-database --target-user --target-passfile --target-service --target-sslmode --target-sslrootcert --target-sslcert --target-sslkey --target-connect-timeout --target-prepare --slot-name --slot-create-timeout --publication-name --cdc-start-lsn --tables-include --tables-exclude --load-jobs --load-chunk-size --load-binary --load-analyze --control-socket --log-level --log-format" ;;
        run) words="--config --help --until --task --work-dir --mode --plugin --ddl --source-dsn --source-host --source-port --source-database --source-user --source-passfile --source-service --source-sslmode --source-sslrootcert --source-sslcert --source-sslkey --source-connect-timeout --target-dsn --target-host --target-port --target-database --target-user --target-passfile --target-service --target-sslmode --target-sslrootcert --target-sslcert --target-sslkey --target-connect-timeout --target-prepare --slot-name --slot-create-timeout --publication-name --cdc-start-lsn --tables-include --tables-exclude --load-jobs --load-chunk-size --load-binary --load-analyze --stream-memory --stream-spill-dir --stream-spill-limit --stream-batch-size --stream-batch-changes --stream-status-interval --keys-dir --keys-memory --keys-disk-limit --keys-recheck-interval --keys-recheck-rate --max-downtime --cutover-max-downtime --max-lag --cutover-max-lag --cutover-max-lag-size --cutover-lock-timeout --cutover-lock-tries --cutover-terminate-after --cutover-max-waiting --within --cutover-at-window --cutover-sequence-margin --verify --cutover-verify --reverse --cutover-reverse --cutover-refresh-timeout --cutover-jobs --hooks-commands --control-socket --log-level --log-format" ;;
        status) words="--config --help --json --watch --task --work-dir --mode --plugin --source-dsn --source-host --source-port --source-database --source-user --source-passfile --source-service --source-sslmode --source-sslrootcert --source-sslcert --source-sslkey --source-connect-timeout --target-dsn --target-host --target-port --target-database --target-user --target-passfile --target-service --target-sslmode --target-sslrootcert --target-sslcert --target-sslkey --target-connect-timeout --target-prepare --slot-name --slot-create-timeout --publication-name --cdc-start-lsn --tables-include --tables-exclude --load-jobs --load-chunk-size --load-binary --load-analyze --max-downtime --cutover-max-downtime --max-lag --cutover-max-lag --cutover-max-lag-size --cutover-lock-timeout --cutover-lock-tries --cutover-terminate-after --cutover-max-waiting --within --cutover-at-window --cutover-sequence-margin --verify --cutover-verify --reverse --cutover-reverse --cutover-refresh-timeout --cutover-jobs --hooks-commands --control-socket --log-level --log-format" ;;
        stop) words="--config --help --json --task --work-dir --control-socket --log-level --log-format" ;;
        verify) words="--config --help --json --tables --counts --spot-check --orphans --since --since-column --show-values --mask-keys --restart --task --work-dir --mode --plugin --source-dsn --source-host --source-port --source-database --source-user --source-passfile --source-service --source-sslmode --source-sslrootcert --source-sslcert --source-sslkey --source-connect-timeout --target-dsn --target-host --target-port --target-database --target-user --target-passfile --target-service --target-sslmode --target-sslrootcert --target-sslcert --target-sslkey --target-connect-timeout --target-prepare --slot-name --slot-create-timeout --publication-name --cdc-start-lsn --tables-include --tables-exclude --load-jobs --load-chunk-size --load-binary --load-analyze --jobs --verify-jobs --max-rate --verify-max-rate --max-snapshot-age --verify-max-snapshot-age --verify-max-hold --control-socket --log-level --log-format" ;;
        repair) words="--config --help --json --dry-run --tables --show-values --mask-keys --plan --apply --fresh --keys-only --max-rows --task --work-dir --source-dsn --source-host --source-port --source-database --source-user --source-passfile --source-service --source-sslmode --source-sslrootcert --source-sslcert --source-sslkey --source-connect-timeout --target-dsn --target-host --target-port --target-database --target-user --target-passfile --target-service --target-sslmode --target-sslrootcert --target-sslcert --target-sslkey --target-connect-timeout --control-socket --log-level --log-format" ;;
        cutover) words="--config --help --json --yes --dry-run --check --rehearse --at --terminate-blockers --confirm --task --work-dir --mode --plugin --ddl --source-dsn --source-host --source-port --source-database --source-user --source-passfile --source-service --source-sslmode --source-sslrootcert --source-sslcert --source-sslkey --source-connect-timeout --target-dsn --target-host --target-port --target-database --target-user --target-passfile --target-service --target-sslmode --target-sslrootcert --target-sslcert --target-sslkey --target-connect-timeout --target-prepare --slot-name --slot-create-timeout --publication-name --cdc-start-lsn --tables-include --tables-exclude --load-jobs --load-chunk-size --load-binary --load-analyze --stream-memory --stream-spill-dir --stream-spill-limit --stream-batch-size --stream-batch-changes --stream-status-interval --keys-dir --keys-memory --keys-disk-limit --keys-recheck-interval --keys-recheck-rate --max-downtime --cutover-max-downtime --max-lag --cutover-max-lag --cutover-max-lag-size --cutover-lock-timeout --cutover-lock-tries --cutover-terminate-after --cutover-max-waiting --within --cutover-at-window --cutover-sequence-margin --verify --cutover-verify --reverse --cutover-reverse --cutover-refresh-timeout --cutover-jobs --hooks-commands --control-socket --log-level --log-format" ;;
        abort) words="--config --help --json --task --work-dir --mode --plugin --source-dsn --source-host --source-port --source-database --source-user --source-passfile --source-service --source-sslmode --source-sslrootcert --source-sslcert --source-sslkey --source-connect-timeout --target-dsn --target-host --target-port --target-database --target-user --target-passfile --target-service --target-sslmode --target-sslrootcert --target-sslcert --target-sslkey --target-connect-timeout --target-prepare --slot-name --slot-create-timeout --publication-name --cdc-start-lsn --tables-include --tables-exclude --load-jobs --load-chunk-size --load-binary --load-analyze --max-downtime --cutover-max-downtime --max-lag --cutover-max-lag --cutover-max-lag-size --cutover-lock-timeout --cutover-lock-tries --cutover-terminate-after --cutover-max-waiting --within --cutover-at-window --cutover-sequence-margin --verify --cutover-verify --reverse --cutover-reverse --cutover-refresh-timeout --cutover-jobs --hooks-commands --control-socket --log-level --log-format" ;;
        rollback) words="--config --help --json --yes --dry-run --check --rehearse --at --terminate-blockers --confirm --task --work-dir --mode --plugin --ddl --source-dsn --source-host --source-port --source-database --source-user --source-passfile --source-service --source-sslmode --source-sslrootcert --source-sslcert --source-sslkey --source-connect-timeout --target-dsn --target-host --target-port --target-database --target-user --target-passfile --target-service --target-sslmode --target-sslrootcert --target-sslcert --target-sslkey --target-connect-timeout --target-prepare --slot-name --slot-create-timeout --publication-name --cdc-start-lsn --tables-include --tables-exclude --load-jobs --load-chunk-size --load-binary --load-analyze --stream-memory --stream-spill-dir --stream-spill-limit --stream-batch-size --stream-batch-changes --stream-status-interval --keys-dir --keys-memory --keys-disk-limit --keys-recheck-interval --keys-recheck-rate --max-downtime --cutover-max-downtime --max-lag --cutover-max-lag --cutover-max-lag-size --cutover-lock-timeout --cutover-lock-tries --cutover-terminate-after --cutover-max-waiting --within --cutover-at-window --cutover-sequence-margin --verify --cutover-verify --reverse --cutover-reverse --cutover-refresh-timeout --cutover-jobs --hooks-commands --control-socket --log-level --log-format" ;;
        complete) words="--config --help --json --yes --task --work-dir --mode --plugin --source-dsn --source-host --source-port --source-database --source-user --source-passfile --source-service --source-sslmode --source-sslrootcert --source-sslcert --source-sslkey --source-connect-timeout --target-dsn --target-host --target-port --target-database --target-user --target-passfile --target-service --target-sslmode --target-sslrootcert --target-sslcert --target-sslkey --target-connect-timeout --target-prepare --slot-name --slot-create-timeout --publication-name --cdc-start-lsn --tables-include --tables-exclude --load-jobs --load-chunk-size --load-binary --load-analyze --control-socket --log-level --log-format" ;;
        cleanup) words="--config --help --json --yes --task --work-dir --mode --plugin --source-dsn --source-host --source-port --source-database --source-user --source-passfile --source-service --source-sslmode --source-sslrootcert --source-sslcert --source-sslkey --source-connect-timeout --target-dsn --target-host --target-port --target-database --target-user --target-passfile --target-service --target-sslmode --target-sslrootcert --target-sslcert --target-sslkey --target-connect-timeout --target-prepare --slot-name --slot-create-timeout --publication-name --cdc-start-lsn --tables-include --tables-exclude --load-jobs --load-chunk-size --load-binary --load-analyze --control-socket --log-level --log-format" ;;
        audit) words="--config --help --json --since --task --work-dir --source-dsn --source-host --source-port --source-database --source-user --source-passfile --source-service --source-sslmode --source-sslrootcert --source-sslcert --source-sslkey --source-connect-timeout --target-dsn --target-host --target-port --target-database --target-user --target-passfile --target-service --target-sslmode --target-sslrootcert --target-sslcert --target-sslkey --target-connect-timeout --control-socket --log-level --log-format" ;;
        version) words="--config --help --json" ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _bascule bascule
