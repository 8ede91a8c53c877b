"""What `POST /api/agreements/{id}/queries` takes and costs, told to who calls it.

`dataspace.transfer.sql.syntax` and `plan` decide; a test holds this text against them.
"""

from typing import Final

QUERY: Final = """\
Answer a query with desensitized rows or protected aggregates, as JSON or as an Arrow stream.

The header Accept chooses between `application/json` and `application/vnd.apache.arrow.stream`. The
headers of the answer name its entry, its metered units and its price; Link leads to its receipt.

A query is one `SELECT` over the one table `data`, of at most 8,192 bytes. For rows: `SELECT district, age
FROM data WHERE age >= 20 LIMIT 100`. For aggregates: `SELECT district, COUNT(*) AS people, AVG(income)
FROM data GROUP BY district ORDER BY district DESC`.

| Part | What is taken |
|---|---|
| `SELECT` | columns, also as `data.column` or with `AS name`; for rows also `*` alone: every column \
that is not suppressed; for aggregates only columns of `GROUP BY` |
| expressions | for rows, each with `AS name`: `+` `-` `*` `/`, texts joined by two bars, `ABS` \
`ROUND(number, digits)` `COALESCE` `LOWER` `UPPER` `SUBSTR(text, start, length)` `LENGTH` `YEAR` `MONTH`, \
`CAST(value AS VARCHAR)`, `BIGINT`, `DOUBLE` or `DATE`, and `CASE WHEN condition THEN value ELSE value \
END`, of columns and literals |
| functions | for aggregates: `COUNT(*)` and `COUNT(column)` of any column, `SUM(column)` and \
`AVG(column)` of numbers that the catalogue calls `aggregable`; `AS name` names the result, which is \
otherwise `count`, `sum_column` and so on |
| `FROM` | `data` |
| `WHERE` | `=` `<>` `<` `<=` `>` `>=` `IN (...)` `BETWEEN ... AND ...` `IS NULL` `IS NOT NULL`, each of \
a column with literals; `AND` `OR` `NOT` and parentheses |
| `GROUP BY` | for aggregates: columns |
| `ORDER BY` | for aggregates: columns of `GROUP BY`, each `ASC` or `DESC` |
| `LIMIT` | for rows: a whole number |

Nothing else is taken: no `DISTINCT`, `HAVING`, `LIKE`, `MIN`, `MAX`, no joins, subqueries or parameters.
Names of columns are case-sensitive; one that holds more than letters, digits and `_`, or is a word of
SQL, stands in double quotes. Texts stand in single quotes, and so do dates: `'2024-07-31'`.

Conditions, groups and expressions see what a row would show. A generalized column is compared by its
generalized value: a number in bands of 10 by `age >= 20`, `age < 60` (multiples of the width) or
`age = '[20, 30)'`; a date by `'2024'`, `'2024-Q3'` or `'2024-07'`, as its unit is; a text by its prefix,
`code = '310*'`, or its class. What is hidden (masked, pseudonymized, shifted, noised, averaged,
suppressed) cannot be filtered, grouped or ordered by; an expression over it computes with what leaves.
What an expression cannot compute (a cast that fails, an overflow, a division by zero) is NULL. Groups of
fewer subjects than the smallest group are left out, and `suppressed` says so.

Rows of a dataset that is released k-anonymous have two members more. `recoded`: some of its rows leave
with coarser quasi-identifiers, and a condition on one of those takes none of them; `withheld`: some leave
not at all. Both are of the dataset, whatever was asked; an Arrow stream has them in its schema's metadata.

With `noise` every number of an aggregate has noise: `epsilon` in millionths is charged once, of each subject
`max_rows` rows count, and what is summed is clamped to its `bounds`. Without it an aggregate that would,
with all that was released before, isolate fewer subjects than the smallest group is refused. The same
question again gets the same answer and costs nothing.

An aggregate or encrypted answer, or a granted cube, is metered as one unit; an answer of rows as one for
each thousand rows begun, and one at least. The price is the units times the offer's price of one. Rows
are cut at the offer's `row_limit`, without a mark in the body. A refusal costs nothing; a query that was
stopped for its cost is charged what it could have cost.
"""
