# Configuring, building, and the commands that run what was built.

cpu_count() { nproc 2>/dev/null || echo 2; }

# configure <preset> [cmake arguments]: only when needed; later ninja notices changed CMake files by itself.
configure() {
	local preset=$1 cache=build/$1/CMakeCache.txt
	shift
	if [ -f "$cache" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$ROOT" "$cache"; then
		say "build/$preset was made in another folder: starting it anew"
		rm -rf "build/$preset"
	fi
	if [ ! -f "build/$preset/build.ninja" ] || [ CMakePresets.json -nt "build/$preset/build.ninja" ]; then
		quietly "Configuring $preset" cmake --preset "$preset" "$@"
	fi
}

# build <preset> [target...]
build() {
	local preset=$1
	shift
	local targets=()
	[ $# -eq 0 ] || targets=(--target "$@")
	quietly "Building $preset${1:+ ($*)}" cmake --build "build/$preset" -j "$(cpu_count)" ${targets[@]+"${targets[@]}"}
}

cmd_build() {
	local preset=${1:-dev}
	case $preset in
	fuzz)
		need build fuzz
		build_fuzz
		return
		;;
	dev | release | coverage) ;;
	*) usage_error "no preset '$preset'; there are dev, release, coverage and fuzz" ;;
	esac
	need build test
	configure "$preset" && build "$preset"
}

cmd_demo() {
	[ "${1:-}" != -- ] || shift
	need build
	configure release && build release moonwire_app moonwire_core
	exec build/release/bin/moonwire demo "$@"
}

# lua_environment <preset>: what a Lua program of this tree needs to find the library, the command and the tree.
lua_environment() {
	export MW_BUILD=$ROOT/build/$1
	export LUA_PATH="$ROOT/lua/?.lua;$ROOT/lua/?/init.lua;;"
	export LUA_CPATH="$MW_BUILD/lua/?.so;;"
}

cmd_bench() {
	need build
	configure release && build release
	[ -f bench/run.lua ] || die "bench/run.lua is not there"
	lua_environment release
	exec lua5.4 bench/run.lua "$@"
}
