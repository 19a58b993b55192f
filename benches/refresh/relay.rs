//! A relay on loopback that passes on whatever comes, and counts what comes back. It sees nothing: the ends speak TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// Bytes that are passed on at once.
const PIECE: usize = 64 * 1024;

/// The relay; it ends with the runtime.
pub struct Relay {
    address: SocketAddr,
    count: Arc<AtomicU64>,
}

impl Relay {
    /// To the host of an address.
    pub async fn start(to: &Url) -> io::Result<Self> {
        let unusable = || io::Error::new(io::ErrorKind::InvalidInput, "the registry has no host and port");
        let host = to.host_str().ok_or_else(unusable)?.to_owned();
        let port = to.port_or_known_default().ok_or_else(unusable)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, count) = (listener.local_addr()?, Arc::new(AtomicU64::new(0)));
        let counting = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((here, _)) = listener.accept().await {
                let (host, counting) = (host.clone(), Arc::clone(&counting));
                tokio::spawn(async move {
                    // Who asked sees a connection that ends.
                    let _ended = pass(here, &host, port, &counting).await;
                });
            }
        });
        Ok(Self { address, count })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes that came back so far.
    pub fn relayed(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

async fn pass(here: TcpStream, host: &str, port: u16, count: &AtomicU64) -> io::Result<()> {
    let (mut from, mut to) = TcpStream::connect((host, port)).await?.into_split();
    let (mut reader, mut writer) = here.into_split();
    let out = async move {
        tokio::io::copy(&mut reader, &mut to).await?;
        to.shutdown().await
    };
    let back = async move {
        let mut buffer = vec![0; PIECE];
        loop {
            let length = from.read(&mut buffer).await?;
            if length == 0 {
                return writer.shutdown().await;
            }
            count.fetch_add(length as u64, Ordering::Relaxed);
            writer.write_all(&buffer[..length]).await?;
        }
    };
    tokio::try_join!(out, back).map(drop)
}
