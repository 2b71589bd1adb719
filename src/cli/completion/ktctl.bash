# bash completion for ktctl; load it with: source <(ktctl completion bash)
# shellcheck shell=bash

_ktctl() {
  local line=${COMP_LINE:0:COMP_POINT} words=() out=() cur strip i
  local tab=$'\t' directive candidate text

  # COMP_WORDS is cut at '=' and ':' as well, so the line is split again
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  cur=${words[-1]}
  mapfile -t out < <("${words[0]}" @COMPLETE@ "${words[@]:1}" 2>/dev/null)
  ((${#out[@]})) || return
  directive=${out[-1]}
  unset "out[-1]"
  COMPREPLY=()
  if [[ $directive == :0 ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "${cur#*=}")
    return
  fi

  # readline replaces only what follows the last '=' or ':'
  strip=${cur%"${cur##*[=:]}"}
  for i in "${!out[@]}"; do
    candidate=${out[i]%%"$tab"*}
    text=${candidate#"$strip"}
    if ((${#out[@]} > 1)) && [[ ${out[i]} == *"$tab"* && $COMP_TYPE != 37 ]]
    then
      text+="  (${out[i]#*"$tab"})"
    fi
    COMPREPLY+=("$text")
  done
  [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}

complete -F _ktctl ktctl
