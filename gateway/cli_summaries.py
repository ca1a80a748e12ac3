"""Names and summaries of the commands of `borderpost`, for its help with and without its libraries."""

COMMANDS = {
    "run": "Run the gateway until SIGTERM or Ctrl-C; SIGHUP reads the file again.",
    "demo": "Run broker, simulated post and gateway on this machine, without root, and show their events.",
    "simulate": "Run simulated devices, each in its own process, until Ctrl-C.",
    "sim": "Present documents, fingers and vehicles, inject faults, reset: requests of simulators/README.md.",
    "scenario": "Play scenarios of a simulated post.",
    "watch": "Show events and device states as they arrive, until Ctrl-C.",
    "devices": "Show every device: state, since, cause, action, serial number, firmware, last good read.",
    "device": "Show one device: state, cause, remedy, identity, claim, counters. Exit code 1 "
    "if it is not online.",
    "check": "Run a device's self-test.",
    "trace": "Follow the frames from a device (<) and to it (>): time, size, summary. Ctrl-C ends it.",
    "restart": "Restart the worker of one device; other devices are not affected.",
    "replug": "Switch the power of a device's USB port off and on, as pulling its plug does. Needs root.",
    "maintenance": "Begin or end maintenance of a device. Its events are suppressed meanwhile and "
    "reach no officer.",
    "accept": "Accept the device that awaits acceptance at a position. To go back, accept the old one again.",
    "certify": "Try a device with a technician, in half an hour: specimens, unplugging, power cut, load, "
    "100 reads.",
    "barrier": "Safety case, commissioning, proof and power-on tests of a barrier.",
    "counters": "Show reads, failures, disconnects, chips and hours online of each serial number.",
    "audit": "Show and verify the audit of commands, claims and technicians' operations.",
    "console": "Users who may log in to the console over the network.",
    "doctor": "Check broker, certificates, clock, disk, machine and devices. Works without a "
    "running gateway too.",
    "why": "Explain why a device does not read, with remedies. Works without a running gateway too.",
    "discover": "Find devices that are plugged in or respond: their address, users, drivers, and the table "
    "to paste.",
    "drivers": "List installed drivers, vocabularies and simulators by package, with their grade and faults.",
    "bundle": "Pack findings, redacted configuration, states, counters, log and versions, "
    "without personal data.",
    "udev": "Print the udev rules that a post's devices need: permissions, names, exclusion "
    "of other programs.",
    "command": "Send a command to a device as a station, wait for its end, and show the result.",
    "claims": "List, release, steal and revoke claims of devices.",
    "config": "Check the file that describes a post.",
    "trust": "Manage the post's own certificate authority: principals at its broker, and their rights.",
    "outbox": "Inspect queued events, without their payloads.",
    "contract": "Write AsyncAPI 3 and JSON Schema of all messages at the broker, or of what packages add "
    "to them.",
    "record": "Record a device's bytes, personal data included, into a file that only its owner may read.",
    "replay": "Replay a recording into its driver and show the resulting events.",
    "anonymize": "Replace all personal data in a recording by pseudonyms, with matching check "
    "digits and check bytes.",
    "driver": "Begin the package of a driver: driver, simulator, recording, tests.",
    "accept-driver": "Try the drivers of a package by the criteria of ours, without a device.",
    "pcapng": "Convert a recording into a capture for Wireshark: serial lines, USB, smart cards, I/O boards.",
}
"""Name and summary of each command, as in its own help: listing them loads none of them."""
