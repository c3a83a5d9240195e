# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154
# A state of apt of its own, for packages of other suites and other machines; to be read by a script that
# has set suite, arch, and state, a folder that apt keeps its files in. Nothing of this machine's apt is
# changed: its mirror is used, and what that sends must be signed by Debian.
#   why_no_apt      a sentence and a status other than 0 where that cannot work
#   prepare_apt     fetches the lists; before all else
#   apt TOOL ...    runs apt-get or apt-cache there

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

why_no_apt()
{
	for tool in apt-get dpkg-deb flock; do
		command -v $tool >/dev/null || {
			echo "there is no $tool on this machine, which fetches packages"
			return 1
		}
	done
	[ -r $keyring ] || {
		echo "the keys of Debian's archive are missing: install debian-archive-keyring"
		return 1
	}
}

# The address of Debian's archive in this machine's own list, of either form.
mirror()
{
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \
		2>/dev/null | awk '
		/^#/ { next }
		{
			for (i = 1; i <= NF; i++)
				if ($i ~ /^https?:\/\/.*\/debian\/?$/) {
					print $i
					exit
				}
		}'
}

apt()
{
	tool=$1
	shift
	"$tool" -q -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Dir::State="$state" \
		-o Dir::State::status="$state/status" -o Dir::Cache="$state/cache" \
		-o Dir::Etc::sourcelist="$state/debian.sources" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferencesparts=/dev/null -o Dir::Etc::preferences=/dev/null \
		-o APT::Sandbox::User= \
		-o APT::Update::Post-Invoke-Success::= -o APT::Update::Post-Invoke::= \
		-o Acquire::Languages=none -o Acquire::Retries=2 -o Acquire::http::Timeout=20 "$@"
}

prepare_apt()
{
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	: >"$state/status"
	uri=$(mirror)
	cat >"$state/debian.sources" <<-END
		Types: deb
		URIs: ${uri:-http://deb.debian.org/debian}
		Suites: $suite
		Components: main
		Architectures: $arch
		Signed-By: $keyring
	END
	apt apt-get update >"$state/log" 2>&1
}
