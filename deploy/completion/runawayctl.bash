# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for runawayctl(1): nouns, verbs, options, and ids from a living daemon.

_runawayctl_ids() {
	case "$1" in
	incident) runawayctl -o json incident list 2>/dev/null | sed -n 's/.*"incident_id": "\([^"]*\)".*/\1/p' ;;
	proc) runawayctl -o json proc orphans 2>/dev/null | sed -n 's/^    "pid": \([0-9]*\).*/\1/p' ;;
	lane) runawayctl -o json lane list 2>/dev/null | sed -n 's/.*"lane_id": "\([^"]*\)".*/\1/p' ;;
	esac
}

_runawayctl_verbs() {
	case "$1" in
	proc) echo "orphans show tree top" ;;
	cgroup) echo "top show" ;;
	lane) echo "list show test" ;;
	finding) echo "list" ;;
	incident) echo "list show readback packet" ;;
	config) echo "check show reload" ;;
	store) echo "verify" ;;
	esac
}

_runawayctl_options() {
	echo "--socket --output -o --json -j --no-color --help -h --version -V"
	case "$1 $2" in
	"proc top" | "cgroup top") echo "--once --limit" ;;
	"lane show") echo "--builtin" ;;
	"lane test") echo "--replay" ;;
	"incident list") echo "--status --lane --limit" ;;
	esac
}

_runawayctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local nouns="status doctor proc cgroup lane finding incident config store help"
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
		mapfile -t COMPREPLY < <(compgen -W "$(_runawayctl_options "${words[0]-}" "${words[1]-}")" -- "$cur")
	elif ((${#words[@]} == 0)) || { ((${#words[@]} == 1)) && [[ ${words[0]} == help ]]; }; then
		mapfile -t COMPREPLY < <(compgen -W "$nouns" -- "$cur")
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
