# A static program in an empty image, as a user without rights; the file system
# may be read-only but for the volume. The configuration is mounted at
# /etc/cdcsync/cdcsync.yaml, with state: sqlite:/var/lib/cdcsync/state.db.
#
#   docker build --build-arg VERSION=v1.2.3 -t cdcsync .
#   docker run --read-only --cap-drop ALL -v cdcsync-state:/var/lib/cdcsync \
#     -v ./cdcsync.yaml:/etc/cdcsync/cdcsync.yaml:ro --env-file secrets.env cdcsync
FROM golang:1.26.8 AS build
ARG VERSION=
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags "-s -w -X main.linked=${VERSION}" -o /out/usr/bin/cdcsync ./cmd/cdcsync \
    && install -d -m 0700 -o 65532 -g 65532 /out/var/lib/cdcsync

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=65532:65532 /out/var/lib/cdcsync /var/lib/cdcsync
COPY --from=build /out/usr/bin/cdcsync /usr/bin/cdcsync
USER 65532:65532
WORKDIR /var/lib/cdcsync
VOLUME /var/lib/cdcsync
# http.listen has to be 0.0.0.0:9640 to be reached from outside; there is no login.
EXPOSE 9640
# An orderly end: what waits is sent.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/cdcsync"]
CMD ["run", "-c", "/etc/cdcsync/cdcsync.yaml"]
