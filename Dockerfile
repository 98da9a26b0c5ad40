# One image for the launcher and the workers of a Dataflow job: the same code, the same versions.
# See docs/dataflow.md. The version of Beam is the one in constraints.txt; a test compares them.
FROM apache/beam_python3.11_sdk:2.77.0 AS beam

FROM python:3.11-slim

COPY --from=beam /opt/apache/beam /opt/apache/beam

WORKDIR /opt/tag2text
COPY . .
RUN pip install --no-cache-dir -c constraints.txt -c constraints-cloud.txt '.[gcp,download]' \
    && pip check

# Processes are the parallelism; img2dataset's libraries must not look for updates.
ENV OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NO_ALBUMENTATIONS_UPDATE=1

# The build fails unless the parser, its model and img2dataset load.
WORKDIR /
RUN tag2text parse "A woman is playing the piano" && python -c "import pipeline.download, img2dataset"

# What Dataflow starts on a worker; the launcher: docker run --entrypoint tag2text IMAGE ...
ENTRYPOINT ["/opt/apache/beam/boot"]
