"""Power cuts, outages, full disks and wrong clocks for minutes on end, and two readers who count."""
