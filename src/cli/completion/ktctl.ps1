# PowerShell completion for ktctl; load it with:
#   ktctl completion powershell | Out-String | Invoke-Expression

Register-ArgumentCompleter -Native -CommandName 'ktctl' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # only the words before the cursor count
    $words = @($commandAst.CommandElements |
        Where-Object { $_.Extent.StartOffset -lt $cursorPosition } |
        ForEach-Object { $_.Extent.Text })
    $program = $words[0]
    $arguments = @($words | Select-Object -Skip 1)
    if ($wordToComplete -eq '') {
        # an empty argument has to be quoted to be passed on
        $arguments += if ($PSVersionTable.PSVersion -ge [version]'7.3') { '' } else { '""' }
    }

    $out = @(& $program '@COMPLETE@' @arguments 2>$null)
    if ($out.Count -eq 0 -or $out[-1] -eq ':0') {
        return # PowerShell completes files by itself
    }
    $out | Select-Object -SkipLast 1 | ForEach-Object {
        $candidate, $description = $_ -split "`t", 2
        if (-not $description) {
            $description = $candidate
        }
        [System.Management.Automation.CompletionResult]::new(
            $candidate, $candidate, 'ParameterValue', $description)
    }
}
