# Messages of ./dev: what is being done, and how long it took. Colours only on a terminal.
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	BOLD=$'\e[1m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else
	BOLD='' RED='' GREEN='' PLAIN=''
fi
export MW_COLOR=${BOLD:+1}

say() { printf '%s\n' "$*"; }
complain() { printf '%s\n' "${RED}dev: $*${PLAIN}" >&2; }
die() {
	complain "$*"
	exit 1
}
usage_error() {
	complain "$*"
	exit 2
}

# seconds_since <EPOCHREALTIME>: with one decimal. EPOCHREALTIME has a comma in some locales.
seconds_since() {
	local us=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
	printf '%d.%d' $((us / 1000000)) $((us % 1000000 / 100000))
}

# quietly <what> <command...>: runs it without a word if it succeeds, with all of its output if it fails.
# On a terminal the output is shown as it comes, so that a long build is seen to move.
quietly() {
	local what=$1 start=$EPOCHREALTIME log rc=0
	shift
	if [ -t 1 ]; then
		say "${BOLD}$what${PLAIN}"
		"$@" || rc=$?
	else
		log=$(mktemp)
		"$@" >"$log" 2>&1 </dev/null || rc=$?
		[ $rc -eq 0 ] || cat "$log"
		rm -f "$log"
	fi
	if [ $rc -ne 0 ]; then
		complain "$what: failed after $(seconds_since "$start") s (${1##*/} ended with status $rc)"
		return $rc
	fi
	say "$what: done in $(seconds_since "$start") s"
}
