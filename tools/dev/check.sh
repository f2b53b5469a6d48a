# ./dev check: each step prints one line `ok <step> (<count>)`, or the problems.

CHECK_STEPS=(format layers words lua globals tidy)
CLANG_FORMAT_VERSION=14 # other versions format some lines differently
TIDY_LIMIT=300          # seconds for one file

c_files() { find src test fuzz bench -name '*.[ch]' -type f 2>/dev/null | LC_ALL=C sort; }

# tree_files: what is or could be committed.
tree_files() {
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard | while IFS= read -r f; do [ ! -f "$f" ] || printf '%s\n' "$f"; done
	else
		find . -type f -not -path './build*' -not -path './.git/*' -not -path '*/node_modules/*' | sed 's|^\./||'
	fi
}

good() { say "${GREEN}ok${PLAIN} $1 ($2)"; }
bad() {
	say "${RED}failed${PLAIN} $1: $2"
	return 1
}

check_format() {
	local tool=clang-format files version
	! command -v "clang-format-$CLANG_FORMAT_VERSION" >/dev/null || tool=clang-format-$CLANG_FORMAT_VERSION
	version=$("$tool" --version | sed 's/.*version \([0-9]*\).*/\1/')
	if [ "$version" != "$CLANG_FORMAT_VERSION" ]; then
		say "skipped clang-format: version $version is installed, and $CLANG_FORMAT_VERSION decides what is right"
		return 0
	fi
	mapfile -t files < <(c_files)
	[ ${#files[@]} -gt 0 ] || bad clang-format "no C file found" || return
	printf '%s\0' "${files[@]}" | xargs -0 -n 8 -P "$(cpu_count)" "$tool" --dry-run -Werror 2>build/format.log || {
		sed -n 's/^\([^: ]*\):[0-9]*:[0-9]*: error: .*/  \1/p' build/format.log | LC_ALL=C sort | uniq -c
		bad clang-format "so many places a file; repair with: $tool -i <file>; the places are in build/format.log" || return
	}
	good clang-format "${#files[@]} files"
}

check_layers() {
	local text
	text=$(lua5.4 tools/layers.lua) || {
		say "$text"
		bad layers "src/ must keep to the order of layers" || return
	}
	good layers "$text"
}

# Paths and hosts of the author's machine. The brackets keep these lines from finding themselves.
check_words() {
	local hosts='deb[.]debian[.]org|snapshot[.]debian[.]org|registry[.]npmjs[.]org|registry[.]yarnpkg[.]com|files[.]pythonhosted[.]org'
	hosts+='|pypi[.]org|index[.]crates[.]io|static[.]crates[.]io|proxy[.]golang[.]org|repo1[.]maven[.]org'
	local paths='(^|[^[:alnum:]_.-])/(work|home|Users)[/]' files rc=0
	mapfile -t files < <(tree_files)
	grep -nIE "$hosts|$paths" -- "${files[@]}" || rc=$?
	[ $rc -ne 0 ] || bad words "these lines name a place that only one machine has" || return
	[ $rc -eq 1 ] || bad words "grep ended with status $rc" || return
	good words "${#files[@]} files"
}

check_lua() {
	local files
	mapfile -t files < <(tree_files | grep -E '\.(lua|rockspec)$|^\.(luacheckrc|busted)$')
	luacheck --quiet --no-color "${files[@]}" >build/luacheck.log 2>&1 || {
		cat build/luacheck.log
		bad luacheck "see the lines above" || return
	}
	good luacheck "${#files[@]} files"
}

check_globals() {
	local text objects
	configure dev && build dev mw_objects || return
	[ -z "$(find src/app -name '*.c')" ] || build dev moonwire_app || return
	# Only objects of sources that are still there.
	mapfile -t objects < <(find src -name '*.c' | while IFS= read -r f; do
		find build/dev/CMakeFiles -path "*/$f.o"
	done | LC_ALL=C sort -u)
	text=$(objdump -t "${objects[@]}" | lua5.4 tools/globals.lua) || {
		say "$text"
		bad globals "no state outside of a handle" || return
	}
	good globals "$text"
}

# One file; silent if it is clean. A function of its own for xargs.
tidy_file() {
	local out rc=0 extra=(--extra-arg=-include "--extra-arg=$PWD/tools/tidy.h")
	[ "$1" != src/base/err.c ] || extra=() # defines what tools/tidy.h replaces
	out=$(timeout "$TIDY_LIMIT" clang-tidy --quiet -p build/dev ${extra[@]+"${extra[@]}"} "$1" 2>&1) || rc=$?
	[ $rc -ne 0 ] || return 0
	printf '%s\n' "$out" | grep -v 'warnings\? generated\.$\|warnings\? treated as error'
	[ $rc -ne 124 ] || printf '%s: clang-tidy took more than %s s\n' "$1" "$TIDY_LIMIT"
	return 1
}

check_tidy() {
	local files start=$EPOCHREALTIME
	configure dev || return
	mapfile -t files < <(find src -name '*.c' | LC_ALL=C sort)
	[ ${#files[@]} -gt 0 ] || bad clang-tidy "no C file found" || return
	export -f tidy_file
	export TIDY_LIMIT
	printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(cpu_count)" bash -c 'tidy_file "$1"' tidy ||
		bad clang-tidy "a check that is wrong here is disabled in .clang-tidy, with the reason" || return
	good clang-tidy "${#files[@]} files, $(seconds_since "$start") s"
}

cmd_check() {
	local step failed=()
	for step in "$@"; do
		[[ " ${CHECK_STEPS[*]} " == *" $step "* ]] || usage_error "no step '$step'; there are ${CHECK_STEPS[*]}"
	done
	[ $# -gt 0 ] || set -- "${CHECK_STEPS[@]}"
	need build test check
	mkdir -p build
	for step in "$@"; do
		"check_$step" || failed+=("$step")
	done
	[ ${#failed[@]} -eq 0 ] || die "check failed in: ${failed[*]}"
	say "check: all clean"
}
