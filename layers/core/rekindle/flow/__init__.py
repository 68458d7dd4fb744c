"""The flow language, and the engine that runs it. Pure: no clock, no random, no I/O; imports domain only.

What a marketer writes becomes a program when it is published, and only then is pydantic imported:

    yaml_source → language (models, schema) → compile → program; graph and check say what is wrong with it
    definition   the way in: parse_flow, parse_segment, parse_manners, parse_traits
    calendar     when campaigns come: schedules, cron, holidays

The program is what runs, in every function that needs it:

    program      flows, steps, triggers, segments, manners, shops, and the playbook of them all
    engine       advance(profile, event, playbook, now): the order in which everything happens
    turn         one call of it while it lasts · live: segments and dates · entry: who comes in
    steps        what each step does · runs: how runs end · manners: when messages may go
    conditions   expressions, compiled in `sandbox`, over `view` (what they may know) and `library` (since, count …)
    dates, local_time, durations   days and hours on somebody's own clock
    past         what new conditions ask of old events · merge: two profiles become one
"""
