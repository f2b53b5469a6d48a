# libFuzzer targets. Seeds are fuzz/corpus/<noun>/; what a run finds new is kept in build/fuzz/corpus/<noun>/.

build_fuzz() {
	# The library is told to report its branches too; without that libFuzzer sees only the target's own few lines.
	configure fuzz && build fuzz fuzz/all
}

# fuzz_one <noun> <seconds>: one line; with the tail of the log if it crashed.
fuzz_one() {
	local noun=$1 seconds=$2 start=$EPOCHREALTIME rc=0 limit=(-max_total_time="$2")
	local found=build/fuzz/corpus/$noun crashes=fuzz/crashes/$noun log=build/fuzz/$noun.log
	local seeds=()
	[ ! -d "fuzz/corpus/$noun" ] || seeds=("fuzz/corpus/$noun")
	[ ! -f "fuzz/$noun.dict" ] || limit+=(-dict="fuzz/$noun.dict")
	[ "$seconds" -gt 0 ] || limit=(-runs=0)
	mkdir -p "$found" "$crashes"
	timeout --kill-after=10 $((seconds + 120)) "build/fuzz/fuzz/fuzz_$noun" "${limit[@]}" -timeout=10 -rss_limit_mb=1024 \
		-print_final_stats=1 -artifact_prefix="$crashes/" "$found" ${seeds[@]+"${seeds[@]}"} >"$log" 2>&1 </dev/null || rc=$?
	if [ $rc -eq 0 ]; then
		local runs
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
		say "${GREEN}ok${PLAIN} fuzz_$noun (${runs:-?} inputs, $(seconds_since "$start") s)"
		rmdir "$crashes" 2>/dev/null || true # empty
		return 0
	fi
	say "${RED}failed${PLAIN} fuzz_$noun (status $rc, $(seconds_since "$start") s); the end of $log:"
	tail -n 40 "$log"
	return 1
}

cmd_fuzz() {
	local seconds=60 filter='' source noun bad=0 ran=0
	while [ $# -gt 0 ]; do
		case $1 in
		--seconds) seconds=${2:-} && shift 2 || usage_error "--seconds wants a number" ;;
		--seconds=*) seconds=${1#*=} && shift ;;
		-*) usage_error "fuzz has no option '$1'; see ./dev fuzz --help" ;;
		*) filter=$1 && shift ;;
		esac
	done
	[[ $seconds =~ ^[0-9]+$ ]] || usage_error "--seconds wants a whole number, not '$seconds'"
	need build fuzz
	build_fuzz
	for source in fuzz/fuzz_*.c; do
		noun=${source#fuzz/fuzz_} noun=${noun%.c}
		[[ -f $source && $noun == *"$filter"* ]] || continue
		ran=$((ran + 1))
		fuzz_one "$noun" "$seconds" || bad=$((bad + 1))
	done
	[ $ran -gt 0 ] || die "no fuzz target's name contains '$filter'"
	[ -z "$(find fuzz/crashes -type f 2>/dev/null)" ] || {
		say "Inputs that crash (run build/fuzz/fuzz/fuzz_<noun> <file>):"
		find fuzz/crashes -type f | sort | sed 's/^/  /'
	}
	say "$ran targets, $bad failed"
	[ $bad -eq 0 ]
}
