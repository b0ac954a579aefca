"""The web server: thin routes over ``gsjbu.run``, and everything that keeps a stranger's request bounded.

Reading order: ``app`` (what there is), ``limits`` (every bound, once), ``uploads`` → ``store`` → ``jobs`` →
``events`` → ``results`` (the way of one request), then the ``routes_*`` files.
"""
