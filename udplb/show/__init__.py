"""What people and scripts see: snapshots and answers as pages, and pages as text or as colours.

A page is made by pure functions of the plain structs that a proxy sends; two writers show it, one
for terminals and one for pipes. Nothing here asks, acts or prints.
"""
