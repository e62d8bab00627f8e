"""Deterministic simulation of payments over two regions: the real code of `lambdas/`, a world that is all invented.

One seed decides everything: what clients do, in which order things happen, and what fails. The same seed gives the same
history, in every process, so that a failure can be looked at as often as needed. In the manner of FoundationDB's and
TigerBeetle's simulators.

    scheduler   one queue of events, one clock, one source of chance; processes are greenlets
    faults      what goes wrong in a seed, and how often
    link        each call between two parts: delays, losses, repetitions, crashes
    table, dynamodb, expressions  a global table's consistency, its API, the language of its conditions
    processor, bucket             the card processor and S3
    region      the functions' real code, composed on one region's services, in two releases
    clients     who pays, asks again, gives up, comes back
    world       one seed, from the first payment to the last question
    history     what clients were told and what happened
    watch, invariants, linearizability  what must hold at each moment, and for each history
    cells       the ways in which a worker can die, and why some cannot be
    census      who died how in a seed, and who came next
    aim         seeds that are led to one of these ways
    run, commands  many seeds on all processors, and `./invoke simulate`
    mutants     the code broken on purpose
    failover, claims  a region's failovers in their own clock: which the latch makes last; `./invoke simulate-failover`
"""
