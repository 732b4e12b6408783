"""From a case that a person has confirmed to a report: CyberTipline, notices to hosts, exports for regulators.

What may live here: the mapping from a case to an authority's own format and its validation, as pure functions over `core.report`,
which says in which order a report may move. An authority's legacy words stay inside that mapping. Clients that send belong to
`adapters`; nothing in this room sends.

The parts:

    cybertipline     the document: one table of it, `write`, `read`, `check`, `with_ids`
    draft            `draft(file, now)`: from a case to what a report says; `incident`, `parties`, `files`, `narrative`, `building` serve it
    completeness     what a report lacks, and how to get it; `wording` finds words that blame a child
    export           a case as one signed JSON document
    notice           a notice to a host, and its clock
    routing          which authority, from an allow-list

An adapter may not import this room: `app` hands these functions to it.
"""
