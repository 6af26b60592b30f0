"""Word count by what else one could take, to be timed beside ours: peers.py duckdb|polars|spark IN OUT.

Needs, as far as it is asked for: pip install duckdb==2.0.0 polars==2.1.0 pyspark==4.3.0 (and Java 17 for Spark).
CORES is how many threads each has (default 2). Words end at spaces and tabs here, which each of these splits at fastest.
"""
import os
import sys

CORES = os.environ.get("CORES", "2")


def duckdb(source, output):
    import duckdb as peer

    lines = (
        f"read_csv('{source}', columns={{'line': 'VARCHAR'}}, delim=chr(1), quote='', escape='', comment='', "
        "header=false, auto_detect=false, new_line='\\n', max_line_size=10000000)"
    )
    words = f"SELECT unnest(string_split(replace(line, '\t', ' '), ' ')) AS word FROM {lines}"
    connection = peer.connect()
    connection.execute(f"SET threads={CORES}; SET preserve_insertion_order=false")
    connection.execute(
        f"COPY (SELECT word, count(*) FROM ({words}) WHERE word <> '' GROUP BY word) "
        f"TO '{output}' (FORMAT csv, HEADER false, DELIMITER '\t', QUOTE '', ESCAPE '')"
    )


def polars(source, output):
    os.environ["POLARS_MAX_THREADS"] = CORES
    import polars as peer

    line = peer.col("line").str.replace_all("\t", " ", literal=True)
    words = peer.scan_lines(source, name="line").select(line.str.split(" ").alias("word")).explode("word")
    counts = words.filter(peer.col("word") != "").group_by("word").len()
    counts.sink_csv(output, include_header=False, separator="\t", quote_style="never", engine="streaming")


def spark(source, output):
    from pyspark.sql import SparkSession, functions

    builder = SparkSession.builder.master(f"local[{CORES}]").config("spark.driver.memory", "8g")
    session = builder.config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    word = functions.explode(functions.split("value", r"[ \t]+")).alias("word")
    counts = session.read.text(source).select(word).where("word <> ''").groupBy("word").count()
    counts.select(functions.concat_ws("\t", "word", "count")).write.text(output)
    session.stop()


if __name__ == "__main__":
    peers = {"duckdb": duckdb, "polars": polars, "spark": spark}
    if len(sys.argv) != 4 or sys.argv[1] not in peers:
        sys.exit(__doc__)
    peers[sys.argv[1]](sys.argv[2], sys.argv[3])
