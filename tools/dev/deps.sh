# Debian packages. dpkg-query tells what is missing; apt-get is only called when something is.

# wanted_packages <group...>: the packages of tools/deps-debian.txt that are in any of the groups.
wanted_packages() {
	awk -v groups="$*" '
		BEGIN { n = split(groups, want, " ") }
		/^[ \t]*(#|$)/ { next }
		{
			for (i = 1; i <= n; i++)
				if (want[i] == "all" || ("," $2 ",") ~ ("," want[i] ",")) { print $1; next }
		}' tools/deps-debian.txt
}

# The sanitizer and fuzzer runtime is a package per version of clang; 14 in Debian 12, 19 in Debian 13.
clang_version() {
	local major
	major=$(clang -dumpversion 2>/dev/null | cut -d. -f1) || true
	[ -n "$major" ] || major=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p') || true
	printf '%s' "$major"
}

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# missing_packages <group...>: with CLANG in a name replaced where the version can be told already.
missing_packages() {
	local name version
	for name in $(wanted_packages "$@"); do
		if [[ $name == *CLANG* ]]; then
			version=$(clang_version)
			name=${name/CLANG/${version:-CLANG}}
		fi
		is_installed "$name" || printf '%s\n' "$name"
	done
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		env DEBIAN_FRONTEND=noninteractive "$@"
	else
		sudo env DEBIAN_FRONTEND=noninteractive "$@"
	fi
}

apt_install() {
	as_root apt-get -q -y -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 \
		install --no-install-recommends "$@"
}

# need <group...>: installs what these groups miss.
need() {
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		complain "this is no Debian: install what tools/deps-debian.txt lists by your own means; going on"
		return 0
	fi
	local missing
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0

	if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
		die "these packages are missing and neither root nor sudo is at hand; as root run
  apt-get install ${missing[*]}"
	fi
	quietly "Reading package lists" as_root apt-get -q update ||
		complain "the package lists could not be renewed; trying with the old ones"
	mapfile -t missing < <(missing_packages "$@") # now apt-cache knows the version of clang
	quietly "Installing ${missing[*]}" apt_install "${missing[@]}" ||
		die "installing packages failed; the lines above tell why"
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -eq 0 ] || die "still missing after the installation: ${missing[*]}"
}

cmd_deps() {
	local group known
	known=$(awk '!/^[ \t]*(#|$)/ { gsub(",", "\n", $2); print $2 }' tools/deps-debian.txt | sort -u | paste -sd' ')
	for group in "$@"; do
		[[ " $known " == *" $group "* ]] || usage_error "no group '$group' in tools/deps-debian.txt; there are $known"
	done
	[ $# -gt 0 ] || set -- all
	need "$@"
	say "Packages of group ${*}: all installed"
}
