"""Base backups, the archive of Postgres's log, and the restore to any instant in between.

Postgres's own programs do the work; what is here chooses, checks and explains.
"""
