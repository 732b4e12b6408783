"""From a case that a person has confirmed to a report: CyberTipline, notices to hosts, exports for regulators.

What may live here: the mapping from a case to an authority's own format and its validation, as pure functions over `core.report`,
which says in which order a report may move. An authority's legacy words stay inside that mapping. Clients that send belong to
`adapters`; nothing in this room sends.

The room holds no code yet: the states of a report and their order are in `core.report`.
"""
