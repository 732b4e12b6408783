"""Local stand-ins for services outside: real servers on this machine, at least as strict as what they stand for, that tests and the demo
speak to. They hold what they are sent in memory, and nothing that is sent to them is reported to anybody."""
