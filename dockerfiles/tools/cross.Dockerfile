# The tool container for recipes of another arch than Docker's. Its programs are of Docker's arch, so that nothing is
# emulated. The Node that recipes copy from /opt/node is of the other arch, and so is what npm installs: npm_config_cpu is
# set in the finished image.
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
RUN strip /opt/node/bin/node
