// The shells' side of completion: each asks `docker __complete` and follows the number on its last line.

const bash = `# bash completion for docker
_docker_complete() {
    local cur words cword line out directive
    COMPREPLY=()
    if declare -F _get_comp_words_by_ref >/dev/null; then
        _get_comp_words_by_ref -n "=:" cur words cword
    else
        cur=\${COMP_WORDS[COMP_CWORD]} words=("\${COMP_WORDS[@]}") cword=$COMP_CWORD
    fi
    out=$("\${words[0]}" __complete "\${words[@]:1:cword-1}" "$cur" 2>/dev/null) || return
    directive=\${out##*:}
    out=\${out%:*}
    while IFS= read -r line; do
        [[ -n $line && \${line%%$'\\t'*} == "$cur"* ]] && COMPREPLY+=("\${line%%$'\\t'*}")
    done <<<"$out"
    (( directive & 2 )) && compopt -o nospace 2>/dev/null
    if (( !(directive & 4) && \${#COMPREPLY[@]} == 0 )); then
        compopt -o default 2>/dev/null
    fi
    declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
}
complete -F _docker_complete docker
`;

const zsh = `#compdef docker
compdef _docker docker
_docker() {
    local -a out candidates
    local line directive name about
    out=("\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT-1]}" "\${words[CURRENT]}" 2>/dev/null)}")
    directive=\${out[-1]#:}
    for line in "\${(@)out[1,-2]}"; do
        [[ -z $line ]] && continue
        name=\${line%%$'\\t'*}
        about=""
        [[ $line == *$'\\t'* ]] && about=\${line#*$'\\t'}
        candidates+=("\${name//:/\\\\:}\${about:+:$about}")
    done
    if (( \${#candidates} > 0 )); then
        if (( directive & 2 )); then _describe -V "" candidates -S ""; else _describe -V "" candidates; fi
    elif (( !(directive & 4) )); then
        _files
    fi
}
if [ "\${funcstack[1]}" = "_docker" ]; then
    _docker
fi
`;

const fish = `# fish completion for docker
function __docker_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l out ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
    test (count $out) -gt 0; or return
    set -l directive (string replace ":" "" -- $out[-1])
    set -e out[-1]
    for line in $out
        echo $line
    end
    if test (count $out) -eq 0; and test (math "bitand($directive, 4)") -eq 0
        __fish_complete_path "$current"
    end
end
complete -c docker -f -a "(__docker_complete)"
`;

const powershell = `# powershell completion for docker
Register-ArgumentCompleter -Native -CommandName 'docker' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | ForEach-Object { "$_" })
    if ($wordToComplete -ne '') { $words = $words[0..($words.Count - 2)] }
    $arguments = @($words | Select-Object -Skip 1) + @($wordToComplete)
    $out = & $words[0] __complete @arguments 2>$null
    $out | Where-Object { $_ -and -not $_.StartsWith(':') } | ForEach-Object {
        $parts = $_ -split [char]9, 2
        $about = if ($parts.Count -gt 1) { $parts[1] } else { $parts[0] }
        [System.Management.Automation.CompletionResult]::new($parts[0], $parts[0], 'ParameterValue', $about)
    }
}
`;

export const scripts = { bash, fish, powershell, zsh } as const;
