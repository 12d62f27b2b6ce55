"""What each command of the command line does; `studies.cli` says what each takes."""
