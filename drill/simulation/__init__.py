"""Deterministic simulation of payments over two regions: the real code of `lambdas/`, a world that is all invented.

One seed decides everything: what clients do, in which order things happen, and what fails. The same seed gives the same
history, in every process, so that a failure can be looked at as often as needed. In the manner of FoundationDB's and
TigerBeetle's simulators.

    scheduler   one queue of events, one clock, one source of chance; processes are greenlets
    faults      what goes wrong in a seed, and how often
    link        each call between two parts: delays, losses, repetitions, crashes
    table       DynamoDB at the level of its API (expressions: the language of its conditions)
    processor, bucket, secrets   the other services
    region      the functions' real code, composed on one region's services, in two releases
    clients     who pays, asks again, gives up, comes back
    run         one seed from start to verdict
    history     what clients were told and what happened
    checks, linearizability      what must hold for each history
    mutants     the code broken on purpose
"""
