#!/bin/sh
# Written by agent-queue. In the repository of a job, the agent may move the job's own branch and no other ref;
# wherever else, and for every other hook, this only calls the repository's own hook.

name=${0##*/}
ours=${0%/*}
repository() { (cd -P -- "${GIT_DIR:-.git}" && if [ -f commondir ]; then read -r up <commondir && cd -P -- "$up"; fi && pwd -P); }
worktree() { (cd -P -- "${GIT_DIR:-.git}" && pwd -P); }

# What a ref is now, nothing when it is not there. No process is started for it.
value() {
    folder=$common
    [ "$1" = HEAD ] && folder=$here
    if [ -f "$folder/$1" ] && read -r now <"$folder/$1"; then
        case $now in "ref: "*) value "${now#ref: }" ;; *) printf %s "$now" ;; esac
    else
        packed "$1"
    fi
}
packed() {
    [ -f "$common/packed-refs" ] || return 0
    while read -r now ref; do
        [ "$ref" = "$1" ] && printf %s "$now" && return
    done <"$common/packed-refs"
}

allowed() { # old new ref
    case $3 in
        "$AQ_GUARD_BRANCH" | refs/remotes/*) return 0 ;;
        HEAD | refs/bisect/* | refs/worktree/* | refs/rewritten/*) [ "$here" = "$AQ_GUARD_WORKTREE" ] && return 0 ;;
        */*) ;;
        *) return 0 ;; # ORIG_HEAD and the like
    esac
    for pattern in $AQ_GUARD_REFS; do
        # shellcheck disable=SC2254 # it is a pattern
        case $3 in $pattern) return 0 ;; esac
    done
    # `git reset` to where it is already moves nothing; `git checkout --detach` does, and does not name the old value.
    [ "$3" != HEAD ] || [ "$1" = "$2" ] || return 1
    case $2 in
        *[!0]*) [ "$(value "$3")" = "$2" ] ;; # it stays where it is
        *) case $1 in *[!0]*) [ "$(packed "$3")" = "$1" ] ;; *) return 1 ;; esac ;; # `git pack-refs` removes its file
    esac
}

case $name in
    reference-transaction | post-rewrite | pre-push | pre-receive | post-receive) given=$(cat && echo .) ;;
    *) given=. ;;
esac
if [ "$name" = reference-transaction ] && [ "$1" = prepared ] && common=$(repository) && [ "$common" = "$AQ_GUARD_REPOSITORY" ]; then
    here=$(worktree)
    set -f
    while read -r old new ref; do
        [ "$ref" ] || continue
        if ! allowed "$old" "$new" "$ref"; then
            echo "agent-queue: $ref is not this job's to move; its work goes to ${AQ_GUARD_BRANCH#refs/heads/}." >&2
            echo "agent-queue: a person may allow more with 'refs' under [workspace] in config.toml." >&2
            exit 1
        fi
    done <<END
${given%.}
END
    set +f
fi
own=$(eval "GIT_CONFIG_KEY_$AQ_GUARD_ENTRY=aq.guard" && export "GIT_CONFIG_KEY_$AQ_GUARD_ENTRY" && git rev-parse --git-path "hooks/$name") || exit 0
[ "${own%/*}" != "$ours" ] && [ -x "$own" ] || exit 0
case $given in
    .) exec "$own" "$@" ;;
    *) printf %s "${given%.}" | "$own" "$@" ;;
esac
