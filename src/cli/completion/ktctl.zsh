#compdef ktctl
# zsh completion for ktctl; load it with: source <(ktctl completion zsh)

_ktctl() {
  local -a out plain described
  local line candidate directive tab=$'\t'

  out=("${(@f)$("${words[1]}" @COMPLETE@ "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  (( $#out )) || return 1
  directive=$out[-1]
  out[-1]=()
  if [[ $directive == :0 ]]; then
    compset -P '*='
    _files
    return
  fi
  for line in $out; do
    candidate=${line%%$tab*}
    plain+=("$candidate")
    if [[ $line == *$tab* ]]; then
      described+=("${candidate//:/\\:}:${line#*$tab}")
    else
      described+=("${candidate//:/\\:}")
    fi
  done
  (( $#plain )) || return 1
  _describe -t ktctl 'ktctl' described -- 2>/dev/null || compadd -a plain
}

if [[ ${funcstack[1]} == _ktctl ]]; then
  _ktctl "$@"
elif (( $+functions[compdef] )); then
  compdef _ktctl ktctl
fi
