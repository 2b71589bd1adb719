# fish completion for ktctl; load it with: ktctl completion fish | source

function __ktctl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    set -l out ($program @COMPLETE@ $words "$current" 2>/dev/null)
    test (count $out) -gt 0; or return 1
    if test "$out[-1]" = :0
        __fish_complete_path (string replace -r '^--[^=]*=' '' -- "$current")
        return
    end
    set -e out[-1]
    for line in $out
        echo $line
    end
end

complete -c ktctl -e
complete -c ktctl -f -a '(__ktctl_complete)'
