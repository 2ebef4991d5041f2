# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for runawayctl(1): nouns, verbs, options, and ids from a living daemon.

_runawayctl_ids() {
	case "$1" in
	incident) runawayctl -o json incident list 2>/dev/null | sed -n 's/.*"incident_id": "\([^"]*\)".*/\1/p' ;;
	proc) runawayctl -o json proc orphans 2>/dev/null | sed -n 's/^    "pid": \([0-9]*\).*/\1/p' ;;
	lane) runawayctl -o json lane list 2>/dev/null | sed -n 's/.*"lane_id": "\([^"]*\)".*/\1/p' ;;
	esac
}

# What there is, the program itself says: these words are in no second place.
_runawayctl_nouns() {
	runawayctl help 2>/dev/null | sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p' | sort -u
}

_runawayctl_verbs() {
	runawayctl help "$1" 2>/dev/null | sed -n "s/^  $1 \\([a-z-]\\{1,\\}\\) .*/\\1/p"
}

_runawayctl_options() {
	runawayctl help "$@" 2>/dev/null | sed -n 's/^  \(-[a-zA-Z], \)\{0,1\}\(--[a-z-]*\) .*/\2/p'
}

_runawayctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local i word words=()

	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case "$word" in
		--socket | -o | --output | --limit | --status | --lane | --replay) i=$((i + 1)) ;;
		-*) ;;
		*) words+=("$word") ;;
		esac
	done
	COMPREPLY=()
	case "$prev" in
	-o | --output) mapfile -t COMPREPLY < <(compgen -W "table json" -- "$cur") && return ;;
	--status) mapfile -t COMPREPLY < <(compgen -W "open triaged dry_run_ready approved acting post_check resolved closed" -- "$cur") && return ;;
	--lane) mapfile -t COMPREPLY < <(compgen -W "$(_runawayctl_ids lane)" -- "$cur") && return ;;
	--socket | --replay) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
	--limit) return ;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_runawayctl_options "${words[@]:0:2}")" -- "$cur")
	elif ((${#words[@]} == 0)) || { ((${#words[@]} == 1)) && [[ ${words[0]} == help ]]; }; then
		mapfile -t COMPREPLY < <(compgen -W "$(_runawayctl_nouns)" -- "$cur")
	elif ((${#words[@]} == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "$(_runawayctl_verbs "${words[0]}")" -- "$cur")
	else
		case "${words[0]} ${words[1]}" in
		"config check" | "lane test") mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
		"incident list" | "lane list" | "proc orphans" | "proc top") ;;
		*) mapfile -t COMPREPLY < <(compgen -W "$(_runawayctl_ids "${words[0]}")" -- "$cur") ;;
		esac
	fi
}

complete -F _runawayctl runawayctl
