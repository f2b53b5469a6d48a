# Tests: build, then tools/run_tests.lua runs and counts.

cmd_test() {
	local preset=dev filter=''
	while [ $# -gt 0 ]; do
		case $1 in
		--preset) preset=${2:-} && shift 2 || usage_error "--preset wants a name" ;;
		--preset=*) preset=${1#*=} && shift ;;
		-*) usage_error "test has no option '$1'; see ./dev test --help" ;;
		*) filter=$1 && shift ;;
		esac
	done
	[[ $preset == fuzz ]] && usage_error "the fuzz preset has no tests; use ./dev fuzz"
	cmd_build "$preset" || {
		say "0 passed, 1 failed" # a build that fails is a failure too, and the last line says so
		return 1
	}
	lua_environment "$preset"
	export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:allocator_may_return_null=1
	export LSAN_OPTIONS=suppressions=$ROOT/tools/lsan.supp:print_suppressions=0
	export UBSAN_OPTIONS=print_stacktrace=1
	# The Lua interpreter has no sanitizer, so its runtime must be there before core.so is loaded.
	local runtime=''
	if grep -qx 'MW_SANITIZE:BOOL=ON' "build/$preset/CMakeCache.txt"; then
		runtime=$(gcc -print-file-name=libasan.so)
	fi
	lua5.4 tools/run_tests.lua --build "build/$preset" --preload "$runtime" --filter "$filter"
}
