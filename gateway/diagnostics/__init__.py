"""What is wrong at a post, and what to do about it: from facts to findings. Needs no running daemon.

`doctor` looks at the post and the machine, `why` at one device, `bundle` packs what support needs.
They read and never change anything, and they block: call them in a thread.
"""
