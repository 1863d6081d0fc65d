-- Commits worth fetching, out of BigQuery's copy of GitHub: those that modify exactly one file, in a repository under a
-- licence that the paper mines, in a language that is known here, with a message that says something.
--
-- One row a commit: commit, subject, message, repos, license, old_file, new_file, unix_time, as in the published export.
--   repos     owner/name of every repository with a listed licence that has the commit, comma-separated, sorted: forks
--             are one row
--   license   the licences of those, lower-case, comma-separated, sorted; what holds is read from the licence files
--             as they were at the commit, when its contents are
--
-- What is asked of a commit is asked of its own row, before anything is grouped. The published query groups by path
-- first and then counts paths, which is one in every group: it lets commits of any number of files in.
--
-- To run it: put
--   EXPORT DATA OPTIONS (uri = 'gs://YOUR-BUCKET/commits/*.parquet', format = 'PARQUET') AS
-- before it, and give the folder with the files to git_history: {use: git_history, commits: [FOLDER], repos: [...]}.
-- It reads each column of the table of commits once; a dry run says what that costs.
--
-- GoogleSQL, kept to what DuckDB reads the same way, so that the tests run this very text.
SELECT
  c.commit,
  MIN(c.subject) AS subject,
  MIN(c.message) AS message,
  STRING_AGG(DISTINCT repo, ',' ORDER BY repo) AS repos,
  STRING_AGG(DISTINCT l.license, ',' ORDER BY l.license) AS license,
  MIN(d.old_path) AS old_file,
  MIN(d.new_path) AS new_file,
  MIN(c.committer.time_sec) AS unix_time
FROM `bigquery-public-data.github_repos.commits` AS c
CROSS JOIN UNNEST(c.difference) AS d
CROSS JOIN UNNEST(c.repo_name) AS repo
JOIN `bigquery-public-data.github_repos.licenses` AS l ON l.repo_name = repo
WHERE
  -- One changed file, the same before and after. A list that was cut short says nothing of how long it was.
  ARRAY_LENGTH(c.difference) = 1
  AND c.difference_truncated IS NOT TRUE
  AND d.old_path = d.new_path
  AND ARRAY_LENGTH(c.parent) = 1
  AND l.license IN (
    'agpl-3.0', 'apache-2.0', 'artistic-2.0', 'bsd-2-clause', 'bsd-3-clause', 'cc0-1.0', 'epl-1.0', 'isc',
    'lgpl-2.1', 'mit', 'mpl-2.0', 'unlicense'
  )
  AND LOWER(REGEXP_EXTRACT(d.new_path, '[.][^./]+$')) IN (
    '.asm', '.bash', '.c', '.c++', '.cc', '.cjs', '.cpp', '.cs', '.csx', '.cts', '.cxx', '.dart', '.erl', '.gemspec',
    '.go', '.gradle', '.groovy', '.h', '.h++', '.hh', '.hpp', '.hrl', '.hs', '.hxx', '.inl', '.ipp', '.java', '.jl',
    '.js', '.jsx', '.kt', '.kts', '.mjs', '.mts', '.php', '.pl', '.pm', '.podspec', '.ps1', '.psd1', '.psm1', '.py',
    '.pyi', '.pyw', '.r', '.rake', '.rb', '.rs', '.ru', '.s', '.sc', '.scala', '.sh', '.swift', '.tpp', '.ts'
  )
  AND CHAR_LENGTH(c.message) > 10
  AND CHAR_LENGTH(c.message) < 15000
  -- Whole messages that say nothing; a body makes any of them worth reading.
  AND LOWER(TRIM(c.message, CONCAT(' .!', CHR(10)))) NOT IN (
    'add', 'added', 'again', 'asdf', 'backup', 'bar', 'better', 'bug fix', 'bug fixes', 'bugfix', 'bump version',
    'change', 'changed', 'changes', 'checkpoint', 'clean up', 'cleaning', 'cleanup', 'comment', 'comments', 'commit',
    'committing', 'continue', 'continued', 'docs', 'documentation', 'done', 'edit', 'edited', 'edits', 'empty',
    'final', 'finished', 'first commit', 'fix', 'fix typo', 'fixed', 'fixes', 'fixing', 'fixup', 'foo', 'format',
    'formatting', 'improve', 'improved', 'improvements', 'in progress', 'init', 'initial', 'initial commit', 'lint',
    'linting', 'minor', 'minor change', 'minor changes', 'minor fix', 'minor fixes', 'minor tweak', 'minor tweaks',
    'minor update', 'minor updates', 'misc', 'misc changes', 'miscellaneous', 'modified', 'modify', 'more',
    'more changes', 'more stuff', 'more work', 'n a', 'next', 'nit', 'nits', 'no message', 'none', 'oops',
    'progress', 'quick fix', 'refactor', 'refactoring', 'release', 'remove', 'removed', 'save', 'saving',
    'small change', 'small changes', 'small fix', 'small fixes', 'some changes', 'stuff', 'style', 'sync', 'temp',
    'test', 'test commit', 'testing', 'tests', 'tiny fix', 'tmp', 'try', 'trying', 'typo', 'typos', 'update',
    'update code', 'update file', 'update files', 'updated', 'updates', 'updating', 'various', 'various changes',
    'version', 'version bump', 'whitespace', 'whoops', 'wip', 'work in progress'
  )
GROUP BY c.commit
-- A commit is one row of the table. Should it ever be several, they must agree.
HAVING COUNT(DISTINCT d.new_path) = 1
