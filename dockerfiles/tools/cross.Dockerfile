# The tool container for recipes of another arch than Docker's. Its programs are of Docker's arch, so that nothing is
# emulated; the Node that recipes copy from /opt/node, and what npm installs, are of the other arch.
#
# ARG CPU is npm's name of the other arch: x64 or arm64.
ARG TOOLS=smolvm-tools
FROM ${TOOLS}
RUN set -eu; \
    mv /opt/node /opt/native; \
    for program in node npm npx; do ln -sf "/opt/native/bin/$program" /usr/local/bin/; done; \
    mkdir -p /opt/node/bin; \
    cp -a /opt/native/lib /opt/node/; \
    cp -a /opt/native/bin/npm /opt/native/bin/npx /opt/node/bin/; \
    npm --version
COPY dockerfiles/tools/node_modules/node-linux-*/bin/node /opt/node/bin/node
ARG CPU
ENV npm_config_cpu=${CPU}
