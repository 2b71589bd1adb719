module kt.local/chain

go 1.24
