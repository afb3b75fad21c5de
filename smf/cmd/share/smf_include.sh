# shellcheck shell=sh
# smf_include.sh - what method scripts share; to be sourced by a POSIX shell.
#
# On illumos a method finds the system's own file in /lib/svc/share.  This one offers the same
# names where Lamplighter brings its own SMF: contracts are those of svc.startd there, numbered in
# the property restarter/contract, found by their control group or by the environment of their
# processes.

# Exit statuses of methods.
# shellcheck disable=SC2034  # used by the scripts that source this file
{
SMF_EXIT_OK=0
SMF_EXIT_NODAEMON=94
SMF_EXIT_ERR_FATAL=95
SMF_EXIT_ERR_CONFIG=96
SMF_EXIT_MON_DEGRADE=97
SMF_EXIT_MON_OFFLINE=98
SMF_EXIT_ERR_NOSMF=99
SMF_EXIT_ERR_PERM=100
SMF_EXIT_TEMP_DISABLE=101
}

# smf_present: is there a repository to talk to?  True when its door is there, and is none of a
# plain file.
smf_present () {
	_smf_door=${LIBSCF_DOORPATH:-${SMF_ROOT%/}/etc/svc/volatile/repository_door}
	[ -r "$_smf_door" ] && [ ! -f "$_smf_door" ]
}

# smf_clear_env: a method's own variables are not for what it starts.
smf_clear_env () {
	unset SMF_FMRI SMF_METHOD SMF_RESTARTER SMF_ZONENAME
}

# smf_zonename: print the name of the zone.
smf_zonename () {
	if [ -n "${SMF_ZONENAME:-}" ]; then
		echo "$SMF_ZONENAME"
	elif [ -x /sbin/zonename ]; then
		/sbin/zonename
	else
		echo global
	fi
}

smf_is_globalzone () {
	[ "$(smf_zonename)" = global ]
}

smf_is_nonglobalzone () {
	[ "$(smf_zonename)" != global ]
}

# smf_console: "echo message 2>&1 | smf_console" says it on the console too.
smf_console () {
	if [ -z "${SMF_MSGLOG_REDIRECT:-}" ] && [ -w /dev/msglog ]; then
		tee /dev/msglog
	elif [ -z "${SMF_MSGLOG_REDIRECT:-}" ] && [ -w /dev/console ]; then
		# A console that nobody holds open refuses; the log has the message anyway.
		tee /dev/console 2>/dev/null || :
	else
		tee "${SMF_MSGLOG_REDIRECT:-/dev/null}"
	fi
}

# smf_configure_ip: does this zone configure its own addresses?  smf_dont_configure_ip: the other
# way round.  Off illumos the host has done it before.
smf_configure_ip () {
	if [ -x /sbin/zonename ]; then
		smf_is_globalzone || [ "$(/sbin/zonename -t)" = exclusive ]
	else
		return 1
	fi
}

smf_dont_configure_ip () {
	! smf_configure_ip
}

# smf_dont_configure_vt: are there no virtual terminals to set up?
smf_dont_configure_vt () {
	smf_is_nonglobalzone && return 0
	[ -x /usr/lib/vtinfo ] || return 0
	/usr/lib/vtinfo >/dev/null 2>&1
}

# smf_is_system_labeled: are there Trusted Extensions?
smf_is_system_labeled () {
	[ -x /bin/plabel ] || return 1
	/bin/plabel >/dev/null 2>&1
}

# smf_netstrategy: set _INIT_NET_STRATEGY (none, dhcp, rarp) and, booted from the network,
# _INIT_NET_IF.
smf_netstrategy () {
	if smf_is_nonglobalzone || [ ! -x /sbin/netstrategy ]; then
		_INIT_NET_STRATEGY=none
		export _INIT_NET_STRATEGY
		return 0
	fi
	_smf_net=$(/sbin/netstrategy) || return 1
	# shellcheck disable=SC2086  # three words
	set -- $_smf_net
	if [ "$1" = nfs ]; then
		_INIT_NET_IF=$2
		export _INIT_NET_IF
	fi
	_INIT_NET_STRATEGY=$3
	export _INIT_NET_STRATEGY
}

# smf_method_exit CODE TAG TEXT: end the method with a status, and say why in its log.  TAG is one
# word for programs, TEXT a sentence for people.
smf_method_exit () {
	case "${1:-}" in
	''|*[!0-9]*)
		echo "smf_method_exit: not an exit status: \"${1:-}\"" >&2
		exit "$SMF_EXIT_ERR_FATAL"
		;;
	esac
	printf '%s: %s\n' "${2:-exit}" "${3:-status $1}"
	exit "$1"
}

# _smf_contract_members CT: print the processes of a contract, this shell and its like excluded.
_smf_contract_members () {
	{
		find /sys/fs/cgroup -path "*/lamplighter-*-$1/*" -name cgroup.procs -exec cat {} + 2>/dev/null
		grep -lz "^LAMPLIGHTER_CONTRACT=.*:$1:" /proc/[0-9]*/environ 2>/dev/null |
			sed 's;^/proc/\([0-9]*\)/environ$;\1;'
	} | sort -un | while read -r _smf_pid; do
		# A process that is gone or a zombie holds nothing open.
		_smf_state=$(sed -n 's/^State:[[:blank:]]*\(.\).*/\1/p' "/proc/$_smf_pid/status" 2>/dev/null)
		case "$_smf_state" in
		''|Z|X)	;;
		*)	echo "$_smf_pid" ;;
		esac
	done
}

# _smf_contract_empty CT
_smf_contract_empty () {
	if [ "$(uname -s)" = SunOS ]; then
		! /usr/bin/pgrep -c "$1" >/dev/null 2>&1
	else
		[ -z "$(_smf_contract_members "$1")" ]
	fi
}

# _smf_contract_signal CT SIG
_smf_contract_signal () {
	if [ "$(uname -s)" = SunOS ]; then
		/usr/bin/pkill "-$2" -c "$1"
	else
		for _smf_pid in $(_smf_contract_members "$1"); do
			# It may have ended since it was listed.
			kill "-$2" "$_smf_pid" 2>/dev/null || :
		done
	fi
}

# smf_kill_contract CT SIG [WAIT [TIMEOUT]]
#
# Send SIG to every process of contract CT.  With WAIT = 1 wait until it is empty, at most TIMEOUT
# seconds if given (and not 0), sending the signal again every five seconds.
# Returns 0 done (or there was nothing), 1 a bad contract or signal, 2 timed out.
smf_kill_contract () {
	_smf_ct=$1
	_smf_signal=$2
	_smf_wait=${3:-0}
	_smf_timeout=${4:-0}
	case "$_smf_ct" in
	''|*[!0-9]*)
		echo "smf_kill_contract: contract ID not specified or invalid: \"$_smf_ct\"" >&2
		return 1
		;;
	esac
	if [ -z "$_smf_signal" ]; then
		echo "smf_kill_contract: signal not specified" >&2
		return 1
	fi
	_smf_contract_empty "$_smf_ct" && return 0
	_smf_contract_signal "$_smf_ct" "$_smf_signal"
	[ "$_smf_wait" = 1 ] || return 0
	_smf_elapsed=0
	while ! _smf_contract_empty "$_smf_ct"; do
		if [ "$_smf_timeout" -gt 0 ] && [ "$_smf_elapsed" -ge "$_smf_timeout" ]; then
			return 2
		fi
		sleep 1
		_smf_elapsed=$((_smf_elapsed + 1))
		if [ $((_smf_elapsed % 5)) -eq 0 ]; then
			_smf_contract_signal "$_smf_ct" "$_smf_signal"
		fi
	done
	return 0
}
