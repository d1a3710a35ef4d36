# shellcheck shell=bash
#
# One Carrel in the background, by its process id in its data. Sourced from the root of the
# repository, after debian.sh.

carrel=$(realpath -m "${CARGO_TARGET_DIR:-target}/release/carrel")
data=${CARREL_DATA:-carrel-data}
pid_file=$data/carrel.pid
# What it prints for people when it is ready, and what it says all the time.
ready_file=$data/carrel.ready
said_file=$data/carrel.log

# Recovery of a large log takes seconds; this is when somebody should look.
readonly READY_SECONDS_MAX=120
# It lets what is under way come to its end for at most 60 seconds by itself.
readonly END_SECONDS_MAX=90

running() {
    cat "$pid_file" 2>/dev/null || true
}

# The process is there, and is a Carrel: numbers are given again.
is_running() {
    local pid
    pid=$(running)
    [[ -n $pid && $(readlink "/proc/$pid/exe" 2>/dev/null) == */carrel* ]]
}

runs_this_build() {
    [[ $(readlink "/proc/$(running)/exe") == "$carrel" ]]
}

start_running() {
    mkdir -p "$data"
    chmod 700 "$data"
    rm -f "$ready_file"
    (umask 077 && exec nohup "$carrel" up --data "$data" "$@" \
        >"$ready_file" 2>>"$said_file" </dev/null) &
    echo $! >"$pid_file"
    local tenths
    for ((tenths = 0; tenths < READY_SECONDS_MAX * 10; tenths++)); do
        if [[ -s $ready_file ]]; then
            return 0
        fi
        if ! is_running && ((tenths > 10)); then
            break
        fi
        sleep 0.1
    done
    say "Carrel has not become ready. The end of $said_file:" ""
    tail -n 20 "$said_file"
    return 1
}

stop_running() {
    local pid tenths
    pid=$(running)
    kill -TERM "$pid"
    for ((tenths = 0; tenths < END_SECONDS_MAX * 10; tenths++)); do
        if ! is_running; then
            rm -f "$pid_file" "$ready_file"
            return 0
        fi
        sleep 0.1
    done
    say "process $pid has not ended after $END_SECONDS_MAX seconds; see $said_file"
    return 1
}

tell_ready() {
    say ""
    cat "$ready_file"
    # Shown once, and kept in admin-password alone.
    sed -i '/^  the first administrator: /d' "$ready_file"
    say "What it says: $said_file. Stop it with ops/down." ""
}
