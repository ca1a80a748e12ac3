"""Open Supervised Device Protocol (IEC 60839-11-5): readers on RS-485, with a secure channel.

Needs the extra `osdp` (libosdp), imported when a reader is opened.
"""
